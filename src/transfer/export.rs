//! Export: images of a layout to a request.
