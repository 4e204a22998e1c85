//! in-toto statements of image signatures.
