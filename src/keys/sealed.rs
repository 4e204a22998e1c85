//! Sealed keys: coldsign's own key file.
