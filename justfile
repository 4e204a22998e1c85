# `just` lists the recipes; each is plain cargo, so none of them needs just.

[private]
default:
    @just --list --unsorted

# format, lints, documentation
[group('every day')]
check:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings
    cargo clippy --locked --no-default-features --lib --bins -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

# the tests that need nothing but Rust
[group('every day')]
test:
    cargo test --locked

# the tests with real cosign, skopeo, oras, registries and transparency logs; installs them once
[group('slow')]
peers:
    COLDSIGN_PEERS="$(tests/peers/install.sh)" COLDSIGN_REQUIRE_PEERS=1 cargo test --locked --test peers

# the proofs that the sealed program has no network code, on the program that ships
[group('slow')]
sealed: dist
    COLDSIGN_SEALED=dist cargo test --locked --test airgap

# every fuzz target for so many seconds, from seeds that are made of fixtures/; installs nightly Rust and cargo-fuzz once
[group('slow')]
fuzz seconds="20":
    fuzz/run {{seconds}}

# ratios against raw signing and verifying, and against cosign at a registry, each made in one run
[group('slow')]
bench:
    COLDSIGN_PEERS="$(tests/peers/install.sh)" cargo bench --locked

# write the rendered pages, the allow-list and the snapshots again; read the diff
[group('write')]
fixtures:
    COLDSIGN_BLESS=1 cargo test --locked --test docs --test airgap
    git diff --stat -- docs fixtures tests

# the signer that ships: static, built twice in two places and compared, with SHA256SUMS
[group('write')]
dist:
    cargo fetch --locked
    .ci/dist
