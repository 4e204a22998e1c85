//! OCI layouts in tars of any dialect.
