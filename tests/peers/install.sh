#!/bin/bash
# tests/peers/install.sh [NAME...]: the real tools that judge what coldsign writes and reads, and real registries,
# transparency logs and a timestamp authority.
#
# Installs into $COLDSIGN_PEERS, or into a folder of the user's cache. A second run builds nothing: each tool has a mark
# of what it was made from, and only one whose mark differs is made again. The last line on stdout is the folder; names
# and versions go to stderr. Programs are in FOLDER/bin.
#
# Needs: Go 1.26 or later; for skopeo and registry2 Debian with apt (nothing on the system is changed); for
# sigstore-verify Node 20 or later with npm: without npm it is left out, and this says so; for sigstore-verify-rust the
# Rust and the C compiler that coldsign itself is built with, no cmake. About a quarter of an hour the first time.
# Everything comes through the Go module proxy, the apt sources, the npm registry and the crates registry that the machine
# is configured with.
set -euo pipefail

# What every tool has in common: how it is built and where it lies. Counted up when that changes; never for a new tool
# or a new version.
layout=1

beside=$(dirname "$(readlink -f "$0")")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/coldsign-peers/layout-$layout
home=${COLDSIGN_PEERS:-$cache}
mkdir -p "$home/bin" "$home/log"
home=$(cd "$home" && pwd)

# What is being made; beside the finished ones, so that a rename puts it there whole.
work=$(mktemp -d "$home/work.XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# Name, version, module, package below it; a file of the module whose listener is moved to loopback.
modules=(
  "cosign3   v3.1.3  github.com/sigstore/cosign/v3             cmd/cosign"
  "cosign2   v2.6.5  github.com/sigstore/cosign/v2             cmd/cosign"
  "oras      v1.3.6  oras.land/oras                            cmd/oras"
  "crane     v0.22.1 github.com/google/go-containerregistry    cmd/crane"
  "olareg    v0.2.2  github.com/olareg/olareg                  cmd/olareg"
  "registry3 v3.1.2  github.com/distribution/distribution/v3   cmd/registry"
  # The last ones that build with Go 1.26. Rekor v2 is rekor-tiles, Rekor v1 is rekor.
  "rekor-server-posix v2.3.0 github.com/sigstore/rekor-tiles/v2         cmd/rekor-server/posix"
  "rekor-server       v1.5.4 github.com/sigstore/rekor                  cmd/rekor-server       cmd/rekor-server/app/serve.go"
  "timestamp-server   v2.1.3 github.com/sigstore/timestamp-authority/v2 cmd/timestamp-server   pkg/server/prometheus.go"
)
# Name, Debian suite, packages. skopeo is no Go module that a proxy serves; Debian 12 builds its own without signatures,
# Debian 13 with them. registry2 is the docker-registry that stands in most places, distribution 2.8.
debian=(
  "skopeo    trixie   skopeo libc6 libgpgme11t64 libassuan9 libgpg-error0 libsqlite3-0 libseccomp2 libsubid5"
  "registry2 bookworm docker-registry"
)

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# A tool is there when its mark says what it was made from, and the program is a program.
have() { [ "$(cat "$home/log/$1.version" 2> /dev/null)" = "$2" ] && [ -x "$home/bin/$1" ]; }
put() { mv -f "$work/$1" "$home/bin/$1" && printf '%s\n' "$2" > "$home/log/$1.version"; }

# A folder's content, short: the mark of what is made from files beside this script.
mark_of() { (cd "$beside" && sha256sum "$@") | sha256sum | cut -c1-12; }

# Builds a package in the module of the folder that it is called in. -s -w drop what only a debugger needs: half of the
# size.
go_build() {
  local name=$1 package=$2
  if ! CGO_ENABLED=0 GOWORK=off GOTOOLCHAIN=local \
    go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$work/$name" "$package" 2> "$home/log/$name.log"; then
    tail -n 15 "$home/log/$name.log" >&2
    fail "$name did not build"
  fi
}

# Builds a package of one module at one version, inside a module made for it. `go install MODULE@VERSION` would also
# ask which other versions there are, and not every proxy answers that.
go_tool() {
  local name=$1 version=$2 module=$3 package=$4 patched=${5:-} mark=$2
  [ -z "$patched" ] || mark="$version metrics-on-loopback"
  have "$name" "$mark" && return
  command -v go > /dev/null || fail "$name needs Go"
  say "$name $version: building"
  mkdir "$work/$name.module"
  {
    echo "module peers.invalid/$name"
    echo "go 1.26"
    echo "require $module $version"
  } > "$work/$name.module/go.mod"
  [ -z "$patched" ] || metrics_on_loopback "$name" "$version" "$module" "$patched"
  (export GOFLAGS=-mod=mod && cd "$work/$name.module" && go_build "$name" "$module/$package")
  put "$name" "$mark"
}

# Both servers that have it open port 2112 on all interfaces, no flag stops them, and the second one dies of it. So that
# one string is changed in a copy of the module, and everything else is as it was released.
metrics_on_loopback() {
  local name=$1 version=$2 module=$3 file=$4 source
  source=$(cd "$work/$name.module" && GOTOOLCHAIN=local go mod download -json "$module@$version" |
    sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p')
  [ -d "$source" ] || fail "$name: no source of $module $version"
  cp -r "$source" "$work/$name.module/source"
  chmod -R u+w "$work/$name.module/source"
  file=$work/$name.module/source/$file
  grep -q '":2112"' "$file" || fail "$name $version: it no longer listens on :2112 in $4; look again"
  sed -i 's/":2112"/"127.0.0.1:0"/' "$file"
  echo "replace $module => ./source" >> "$work/$name.module/go.mod"
}

# Trillian's log server and sequencer over its memory storage, in one process: what Rekor v1 keeps its tree in.
trillian_mem() {
  local mark
  mark=$(mark_of trillian-mem/main.go trillian-mem/go.mod trillian-mem/go.sum)
  have trillian-mem "$mark" && return
  command -v go > /dev/null || fail "trillian-mem needs Go"
  say "trillian-mem: building"
  (unset GOFLAGS && cd "$beside/trillian-mem" && go_build trillian-mem .)
  put trillian-mem "$mark"
}

# The Sigstore client that npm itself uses, behind a program of ours that hands it files.
sigstore_verify() {
  local mark
  mark=$(mark_of sigstore-verify.mjs js/package.json js/package-lock.json)
  have sigstore-verify "$mark" && return
  if ! command -v npm > /dev/null; then
    say "sigstore-verify: left out: it needs Node 20 or later with npm"
    return
  fi
  say "sigstore-verify: installing"
  mkdir "$work/js"
  cp "$beside/sigstore-verify.mjs" "$beside/js/package.json" "$beside/js/package-lock.json" "$work/js/"
  if ! (cd "$work/js" && npm ci --ignore-scripts --no-audit --no-fund > "$home/log/sigstore-verify.log" 2>&1); then
    tail -n 15 "$home/log/sigstore-verify.log" >&2
    fail "sigstore-verify did not install"
  fi
  rm -rf "$home/js"
  mv "$work/js" "$home/js"
  cat > "$work/sigstore-verify" << 'WRAPPER'
#!/bin/sh
exec node "$(dirname "$(readlink -f "$0")")/../js/sigstore-verify.mjs" "$@"
WRAPPER
  chmod +x "$work/sigstore-verify"
  put sigstore-verify "$mark"
}

# The crate sigstore-verify, behind a program of ours that hands it files. Not a dependency of our tests: it brings a second
# generation of every cryptographic crate, and aws-lc.
sigstore_verify_rust() {
  local name=sigstore-verify-rust mark
  mark=$(mark_of sigstore-rust/src/main.rs sigstore-rust/Cargo.toml sigstore-rust/Cargo.lock)
  have "$name" "$mark" && return
  command -v cargo > /dev/null || fail "$name needs Rust"
  command -v cc > /dev/null || fail "$name needs a C compiler, cc"
  say "$name: building"
  # A copy: the folder stands in a checkout, and what is built there would be a part of it.
  cp -r "$beside/sigstore-rust" "$work/rust"
  if ! (cd "$work/rust" && unset CARGO_BUILD_TARGET &&
    nice cargo build --release --locked --target-dir "$work/rust/target" > "$home/log/$name.log" 2>&1); then
    tail -n 15 "$home/log/$name.log" >&2
    fail "$name did not build"
  fi
  mv "$work/rust/target/release/$name" "$work/$name"
  rm -rf "$work/rust"
  put "$name" "$mark"
}

# Unpacks packages of a Debian suite beside the system, with an apt that has its own lists and no status.
debian_tool() {
  local name=$1 suite=$2 root=$home/$2 apt=$work/apt source options
  shift 2
  have "$name" "$suite" && return
  command -v apt-get > /dev/null || fail "$name needs apt"
  say "$name of $suite: unpacking"
  source=$(apt-get indextargets --format '$(SITE) $(COMPONENT) $(CODENAME)' 'Created-By: Packages' |
    awk '$2 == "main" && $3 !~ /-/ { print $1; exit }')
  [ -n "$source" ] || fail "apt has no Debian source"
  rm -rf "$root" "$apt"
  mkdir -p "$root" "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
  : > "$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $source $suite main" > "$apt/sources.list"
  options=(
    -qq -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$apt/lists"
    -o Dir::State::Status="$apt/status" -o Dir::Cache="$apt/cache" -o Acquire::Languages=none
    -o APT::Sandbox::User="$(id -un)"
  )
  apt-get "${options[@]}" update >&2
  (cd "$apt/debs" && apt-get "${options[@]}" download "$@" >&2)
  for package in "$apt"/debs/*.deb; do
    dpkg-deb --extract "$package" "$root"
  done
  rm -rf "$apt"
  "start_$name" "$suite" > "$work/$name"
  chmod +x "$work/$name"
  put "$name" "$suite"
}

# It was linked against a newer C library than this system's: start it with its own.
start_skopeo() {
  cat << WRAPPER
#!/bin/sh
root=\$(dirname "\$(readlink -f "\$0")")/../$1
lib=\$root/usr/lib/x86_64-linux-gnu
exec "\$lib/ld-linux-x86-64.so.2" --library-path "\$lib" "\$root/usr/bin/skopeo" "\$@"
WRAPPER
}

# A server is ended by its id: the program takes the shell's place.
start_registry2() {
  cat << WRAPPER
#!/bin/sh
exec "\$(dirname "\$(readlink -f "\$0")")/../$1/usr/bin/docker-registry" "\$@"
WRAPPER
}

every="cosign3 cosign2 oras crane skopeo olareg registry2 registry3"
every+=" rekor-server-posix timestamp-server trillian-mem rekor-server sigstore-verify sigstore-verify-rust"
wanted=" ${*:-$every} "
for row in "${modules[@]}"; do
  read -r -a words <<< "$row"
  [[ $wanted != *" ${words[0]} "* ]] || go_tool "${words[@]}"
done
for row in "${debian[@]}"; do
  read -r -a words <<< "$row"
  [[ $wanted != *" ${words[0]} "* ]] || debian_tool "${words[@]}"
done
[[ $wanted != *" trillian-mem "* ]] || trillian_mem
[[ $wanted != *" sigstore-verify "* ]] || sigstore_verify
[[ $wanted != *" sigstore-verify-rust "* ]] || sigstore_verify_rust

for name in $wanted; do
  said=
  case $name in
    skopeo | registry2 | registry3) said=$("$home/bin/$name" --version) || fail "$name does not start" ;;
    cosign2 | cosign3 | oras | crane | olareg | rekor-server | rekor-server-posix | timestamp-server)
      "$home/bin/$name" version > /dev/null 2>&1 || fail "$name does not start" ;;
    trillian-mem | sigstore-verify | sigstore-verify-rust)
      [ -x "$home/bin/$name" ] || [ "$name" != sigstore-verify ] || continue # left out
      "$home/bin/$name" --help > /dev/null 2>&1 || fail "$name does not start" ;;
    *) fail "no such peer: $name" ;;
  esac
  say "$name $(cat "$home/log/$name.version")${said:+: ${said##* }}"
done
echo "$home"
