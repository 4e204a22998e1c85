//! OCI layouts as directories.
