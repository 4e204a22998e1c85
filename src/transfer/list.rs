//! Lists of images (--from).
