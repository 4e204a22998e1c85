//! DSSE: the pre-authentication encoding that is signed (secure-systems-lab/dsse, protocol.md).

/// `DSSEv1 SP len(type) SP type SP len(body) SP body`, lengths in bytes as ASCII decimals.
#[must_use]
pub fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    /// The example of the DSSE protocol's test vectors.
    #[test]
    fn published_vector() {
        assert_eq!(
            super::pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
