//! index.json, oci-layout and our own manifests.
