//! Every cap in one place, each with its reason. A request that passes them cannot become a response that does not.

/// Items in a request: a year of releases of a large shop; review and memory stay bounded.
pub const ITEMS: usize = 10_000;
/// Items the signer takes unless told `--max-items`: nobody reviews more by accident.
pub const ITEMS_UNASKED: usize = 1_000;
/// Keys that may sign one file: a board of signers, and a factor of its size.
pub const KEYS: usize = 8;
/// Bytes of a request or a response: it is held in memory on both sides.
pub const FILE: u64 = 512 * MIB;
/// Blobs in a file: ten thousand items with both forms and eight keys.
pub const BLOBS: usize = 250_000;
/// Bytes of `index.json`, and of a request document or a response document.
pub const DOCUMENT: usize = 64 * 1024 * 1024;
/// Bytes of a manifest, config, payload, statement or bundle, counted as they stand, with escapes (registries cap manifests at 4 MiB).
pub const MANIFEST: usize = 4 * 1024 * 1024;
/// Depth of JSON in our own documents; objects and arrays count, the outermost is 1.
pub const DEPTH_DOCUMENT: usize = 8;
/// Depth of JSON in evidence: manifests of real tools stay below 10.
pub const DEPTH_EVIDENCE: usize = 32;
/// Depth of nested image indexes, the top one is 1: real ones nest once.
pub const INDEX_DEPTH: usize = 4;
/// Distinct manifests below one item: each is visited once, so an index bomb costs no more than this.
pub const MANIFESTS_BELOW: usize = 1_000;
/// Annotations of one item.
pub const ANNOTATIONS: usize = 256;
/// Unknown members of `optional` in a request: each is named on the screen, and none may push the review off it.
pub const UNKNOWN: usize = 256;
/// Values in one JSON text: a request of every limit above has fewer, and memory stays bounded.
pub const VALUES: usize = 4_000_000;
/// Bytes of one string: annotation key or value, note.
pub const STRING: usize = 4 * 1024;
/// Bytes of a reference (identity or destination).
pub const REFERENCE: usize = 512;
/// Layers of one `.sig` manifest: cosign refuses more (GHSA-95pr-fxf5-86gv).
pub const SIG_LAYERS: usize = 1_000;
/// Log entries of one bundle: sigstore-go's limit; real ones have one or two.
pub const LOG_ENTRIES: usize = 32;
/// Hashes of an inclusion proof: a tree of 2^63 leaves has no more.
pub const LOG_HASHES: usize = 64;
/// Bytes of the body of a log entry: Rekor's tiles hold at most 65,535.
pub const LOG_BODY: usize = 64 * 1024;
/// Bytes of a checkpoint: sixteen lines of cosignatures by ML-DSA, 3 to 5 KiB each, and room.
pub const LOG_NOTE: usize = 128 * 1024;
/// Signature lines of a checkpoint.
pub const LOG_NOTE_LINES: usize = 64;
/// Bytes of a log annotation: one body in base64, and room.
pub const LOG_ANNOTATION: usize = 64 * 1024;
/// Bytes of a log's answer with one entry: the body in base64, a checkpoint with escapes, the hashes, and room.
pub const LOG_REPLY: usize = 512 * 1024;
/// Bytes of a tile: 256 hashes (C2SP tlog-tiles.md).
pub const LOG_TILE: usize = 256 * 32;
/// Bytes of a bundle of entries: 256 bodies of two bytes' length each, and their lengths.
pub const LOG_BUNDLE: usize = 256 * (2 + 65_535);
/// Timestamps of one signature, and bytes of each: real ones have one, of 0.6 to 6 KiB with a chain.
pub const TOKENS: usize = 32;
/// Bytes of one timestamp.
pub const TOKEN: usize = 64 * 1024;
/// Bytes of a trusted root: the public one has 7 KiB.
pub const TRUSTED_ROOT: u64 = MIB;
/// Logs, and timestamp authorities, of all trust material together.
pub const TRUSTED: usize = 256;
/// Certificates of one authority's chain.
pub const CHAIN: usize = 16;
/// Bytes of a predicate: in base64, with the statement around it and a signature, it stays below [`MANIFEST`].
pub const PREDICATE: usize = (3 * 1024 - 8) * 1024;
/// Depth of JSON in a predicate: bills of materials and scan results of real tools stay below 20.
pub const DEPTH_PREDICATE: usize = 64;
/// Bytes of a predicate type: real ones stay below 100.
pub const PREDICATE_TYPE: usize = 512;
/// Signatures of one DSSE envelope: real ones have one, each is tried with each key.
pub const ENVELOPE_SIGNATURES: usize = 32;
/// Rounds of reading back what was pushed beside other writers: six that begin together need three or four.
pub const SETTLE_ROUNDS: usize = 8;
/// Referrers of one digest, in all pages and in the index that stands in for them: each may cost a request.
pub const REFERRERS: usize = 1_000;
/// Pages of a list of referrers: registries that have pages put dozens into one.
pub const REFERRERS_PAGES: usize = 32;
/// Bytes of base64 that one signature takes at most when a response is sized in advance (P-521 DER is 139 bytes).
pub const SIGNATURE_BASE64: usize = 200;
/// Bytes of a signature that another tool made, in base64 with its line breaks: the largest, RSA 4096, has 693.
pub const SIGNATURE_FILE: u64 = 16 * 1024;
/// Bytes of a log's reply and of a timestamp that are given as files: an annotation with a signature and a certificate
/// around it, a timestamp in base64, and room.
pub const LOG_FILE: u64 = 256 * 1024;
/// Bytes of a key file: the largest RSA key with every wrapper is a tenth of it.
pub const KEY_FILE: u64 = 64 * 1024;
/// Bytes of a file of attestations, one a line: a dozen of the largest, thousands of real ones.
pub const ATTESTATION_FILE: u64 = 64 * MIB;
/// Bytes of a passphrase file.
pub const PASSPHRASE_FILE: u64 = 4 * 1024;
/// Iterations of PBKDF2 in a foreign key file: over ten times what is recommended for SHA-256, a few seconds.
pub const PBKDF2_ITERATIONS: u32 = 10_000_000;
/// `N * r * p` of scrypt in a foreign key file: the most that a sealed key may ask for, 1 GiB and a few seconds.
pub const SCRYPT_WORK: u64 = 1 << 23;
/// Bytes of a list of images (`--from`).
pub const LIST_FILE: u64 = 16 * MIB;
/// Bytes of a report that is merged: ten thousand digests with eight keys and both forms are a tenth of it.
pub const REPORT_FILE: u64 = 512 * MIB;
/// Shards of a list: more jobs than CI systems run side by side (GitHub 256, GitLab 200).
pub const SHARDS: usize = 1_000;
/// Bytes of a file of credentials: thousands of registries.
pub const CREDENTIALS_FILE: u64 = MIB;
/// Bytes read from a pipe, or out of a decompressor, for one image: the largest images stay below it, a gzip bomb ends.
pub const SOURCE_STREAM: u64 = 256 * 1024 * MIB;
/// Members of an archive that is read leniently: names are remembered to find those that stand twice.
pub const SOURCE_MEMBERS: usize = 1_000_000;
/// Bytes of a file of certificate authorities: the largest public bundles are a quarter of a mebibyte.
pub const AUTHORITIES_FILE: u64 = 4 * MIB;
/// Bytes of an HTTP header, all its fields together: Go's servers send at most 1 MiB, registries a few KiB.
pub const HTTP_HEADER: usize = 32 * 1024;
/// Bytes read of the body of an HTTP answer that is no success, and of a token service's answer.
pub const HTTP_ERROR: usize = 64 * 1024;
/// Redirects that one request follows: a registry needs one, to its storage.
pub const HTTP_REDIRECTS: usize = 5;
/// Manifests that one copy carries: an index of every platform with dozens beside each; they are held in memory.
pub const COPIED: usize = 10_000;
/// Tags of a repository that are looked at before something is deleted by its digest: each costs a request.
pub const TAGS: usize = 1_000;
/// Pages of a list of tags: registries put a hundred or more on one.
pub const TAGS_PAGES: usize = 32;
/// Characters of foreign text shown in one place, the rest is counted.
pub const SHOWN: usize = 256;
/// Largest integer of our documents: the last one that every JSON reader holds exactly (RFC 8785, 2^53 - 1).
pub const INTEGER: u64 = (1 << 53) - 1;

/// One mebibyte in bytes.
pub const MIB: u64 = 1024 * 1024;
