//! Request and response documents.
