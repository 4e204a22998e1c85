//! PKCS#8 and SEC1 key files.
