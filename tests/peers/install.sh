#!/bin/bash
# tests/peers/install.sh [NAME...]: the real tools that judge what coldsign writes and reads, and real registries.
#
# Installs into $COLDSIGN_PEERS, or into a folder of the user's cache that is named after this script's own hash, so
# that a changed version never meets an old one. A second run builds nothing. The last line on stdout is the folder;
# names and versions go to stderr. Programs are in FOLDER/bin.
#
# Needs: Go 1.26 or later, and for skopeo and registry2 Debian with apt (nothing on the system is changed). About eleven
# minutes the first time. Everything comes through the Go module proxy and the apt sources that the machine is configured with.
set -euo pipefail

script=$(readlink -f "$0")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/coldsign-peers/$(sha256sum "$script" | cut -c1-16)
home=${COLDSIGN_PEERS:-$cache}
mkdir -p "$home/bin" "$home/log"
home=$(cd "$home" && pwd)

# name, version, module, package below it
modules=(
  "cosign3   v3.1.3  github.com/sigstore/cosign/v3             cmd/cosign"
  "cosign2   v2.6.5  github.com/sigstore/cosign/v2             cmd/cosign"
  "oras      v1.3.6  oras.land/oras                            cmd/oras"
  "crane     v0.22.1 github.com/google/go-containerregistry    cmd/crane"
  "olareg    v0.2.2  github.com/olareg/olareg                  cmd/olareg"
  "registry3 v3.1.2  github.com/distribution/distribution/v3   cmd/registry"
)
# Name, Debian suite, packages. skopeo is no Go module that a proxy serves; Debian 12 builds its own without signatures,
# Debian 13 with them. registry2 is the docker-registry that stands in most places, distribution 2.8.
debian=(
  "skopeo    trixie   skopeo libc6 libgpgme11t64 libassuan9 libgpg-error0 libsqlite3-0 libseccomp2 libsubid5"
  "registry2 bookworm docker-registry"
)

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# A tool is there when its mark says which version, and the program is a program.
have() { [ "$(cat "$home/log/$1.version" 2> /dev/null)" = "$2" ] && [ -x "$home/bin/$1" ]; }
mark() { mv -f "$home/bin/.$1" "$home/bin/$1" && printf '%s\n' "$2" > "$home/log/$1.version"; }

# Builds a package of one module at one version, inside a module made for it. `go install MODULE@VERSION` would also
# ask which other versions there are, and not every proxy answers that.
go_tool() {
  local name=$1 version=$2 module=$3 package=$4 work
  have "$name" "$version" && return
  command -v go > /dev/null || fail "$name needs Go"
  say "$name $version: building"
  work=$(mktemp -d)
  {
    echo "module peers.invalid/$name"
    echo "go 1.26"
    echo "require $module $version"
  } > "$work/go.mod"
  # -s -w drop what only a debugger needs: half of the size.
  if ! env -C "$work" CGO_ENABLED=0 GOFLAGS=-mod=mod GOWORK=off GOTOOLCHAIN=local \
    go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$home/bin/.$name" "$module/$package" 2> "$home/log/$name.log"; then
    tail -n 15 "$home/log/$name.log" >&2
    fail "$name did not build"
  fi
  rm -rf "$work"
  mark "$name" "$version"
}

# Unpacks packages of a Debian suite beside the system, with an apt that has its own lists and no status.
debian_tool() {
  local name=$1 suite=$2 root=$home/$2 apt=$home/apt source options
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
  "start_$name" "$suite" > "$home/bin/.$name"
  chmod +x "$home/bin/.$name"
  mark "$name" "$suite"
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

wanted=" ${*:-cosign3 cosign2 oras crane skopeo olareg registry2 registry3} "
for row in "${modules[@]}"; do
  read -r name version module package <<< "$row"
  [[ $wanted != *" $name "* ]] || go_tool "$name" "$version" "$module" "$package"
done
for row in "${debian[@]}"; do
  read -r -a words <<< "$row"
  [[ $wanted != *" ${words[0]} "* ]] || debian_tool "${words[@]}"
done

for name in $wanted; do
  case $name in
    skopeo | registry2 | registry3) said=$("$home/bin/$name" --version) || fail "$name does not start" ;;
    cosign2 | cosign3 | oras | crane | olareg)
      "$home/bin/$name" version > /dev/null 2>&1 || fail "$name does not start"
      said= ;;
    *) fail "no such peer: $name" ;;
  esac
  say "$name $(cat "$home/log/$name.version")${said:+: ${said##* }}"
done
echo "$home"
