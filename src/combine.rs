//! The union of responses to one request.
