//! Public keys, their ids and verification (RFC 5280 SPKI; FIPS 186-5; RFC 8032; design 4).
