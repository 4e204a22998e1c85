//! Every check by its one id. The id is the enum variant here, the name of the function that enforces it
//! (`check_…`), the stem of its fixture or test, its row in `docs/verification.md` (rendered from this table) and
//! what stands in `error[ID]` on the screen.

use std::fmt;

use crate::exit::Exit;

macro_rules! checks {
    ($($hop:literal { $($name:ident $id:literal $exit:ident $message:literal, $rule:literal;)+ })+) => {
        /// The id of a check.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Check {
            $($(#[doc = $rule] $name,)+)+
        }

        impl Check {
            /// Every check, in the order of the hops.
            pub const ALL: &[Self] = &[$($(Self::$name,)+)+];

            /// The id as it stands on the screen.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $($(Self::$name => $id,)+)+ }
            }

            /// The exit code of a program that this check stopped.
            #[must_use]
            pub fn exit(self) -> Exit {
                match self { $($(Self::$name => Exit::$exit,)+)+ }
            }

            /// What is wrong, in the words of the screen.
            #[must_use]
            pub fn message(self) -> &'static str {
                match self { $($(Self::$name => $message,)+)+ }
            }

            /// What must hold, in one sentence.
            #[must_use]
            pub fn rule(self) -> &'static str {
                match self { $($(Self::$name => $rule,)+)+ }
            }

            /// Where on the way of the data the check stands.
            #[must_use]
            pub fn hop(self) -> &'static str {
                match self { $($(Self::$name => $hop,)+)+ }
            }
        }
    };
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

checks! {
    "archive" {
        FileKind "FILE-KIND" OtherKind "not a coldsign request or response",
            "The file is an uncompressed tar whose index.json begins with a request manifest.";
        FileSize "FILE-SIZE" OverLimit "file is larger than the limit",
            "A request or response has at most 512 MiB.";
        ArchiveHeader "ARCHIVE-HEADER" Archive "tar header is not the one this format allows",
            "Each 512-byte header equals the one that coldsign writes for that name and size (ustar, mode 644, owner 0, time 0).";
        ArchiveName "ARCHIVE-NAME" Archive "tar member has a name that this format does not know",
            "Names are blobs/sha256/<64 lower-case hex>, index.json and oci-layout.";
        ArchiveOrder "ARCHIVE-ORDER" Archive "tar members are not in order, or one is there twice",
            "Names ascend bytewise, each once.";
        ArchivePadding "ARCHIVE-PADDING" Archive "tar padding is not zero",
            "The bytes from the end of a member to the next multiple of 512 are zero.";
        ArchiveEnd "ARCHIVE-END" Archive "tar does not end as this format demands",
            "Exactly two zero blocks end the file: nothing is cut off, nothing follows.";
        ArchiveBlobs "ARCHIVE-BLOBS" OverLimit "too many blobs",
            "A file has at most 250,000 blobs.";
        BlobDigest "BLOB-DIGEST" Archive "blob does not match its digest",
            "The SHA-256 of every blob is its name.";
        BlobMissing "BLOB-MISSING" Archive "blob is missing",
            "Every blob that index.json, the request document, an item's evidence or our own manifests name is in the file.";
        BlobExtra "BLOB-EXTRA" Archive "blob that nothing names",
            "The file holds no blob but those.";
        BlobSize "BLOB-SIZE" OverLimit "blob is larger than the limit",
            "A manifest, config, payload, statement or bundle has at most 4 MiB; index.json and documents 64 MiB.";
        LayoutVersion "LAYOUT-VERSION" Archive "oci-layout is not the one this format allows",
            "oci-layout is {\"imageLayoutVersion\":\"1.0.0\"}, byte for byte.";
        LayoutIndex "LAYOUT-INDEX" Archive "index.json is not what follows from the documents",
            "index.json equals the one rendered from the documents, byte for byte: entries, order, names, annotations.";
        RequestManifest "REQUEST-MANIFEST" Archive "request manifest is not what follows from its document",
            "The request manifest equals the one rendered from its document, byte for byte.";
        ResponseManifest "RESPONSE-MANIFEST" Archive "response manifest is not what follows from its document",
            "A response manifest equals the one rendered from its document, byte for byte.";
        SigManifest "SIG-MANIFEST" Archive ".sig manifest is not what follows from its signatures",
            "A .sig manifest and its config equal those rendered from payloads and signatures, byte for byte.";
        AttManifest "ATT-MANIFEST" Archive ".att manifest or envelope is not what follows from its signatures",
            "An .att manifest, its config and its envelopes equal those rendered from statements and signatures, byte for byte.";
        ReferrerManifest "REFERRER-MANIFEST" Archive "referrer manifest or bundle is not what follows from its signature",
            "A bundle and its referrer manifest equal those rendered from statement and signature, byte for byte.";
    }
    "json" {
        JsonSyntax "JSON-SYNTAX" Document "not valid JSON",
            "JSON is one RFC 8259 value in UTF-8, without a byte order mark, lone surrogates, NaN or trailing data.";
        JsonDuplicate "JSON-DUPLICATE" Document "member stands twice",
            "No object has a member twice.";
        JsonFold "JSON-FOLD" Document "member names differ only in letter case or are not ASCII",
            "Outside free maps no member name is non-ASCII, no two are equal without letter case, none is a known one in other letter case: Go readers fold them.";
        JsonDepth "JSON-DEPTH" OverLimit "JSON is nested too deep",
            "Depth is at most 8 in our documents and 32 in evidence.";
        JsonSize "JSON-SIZE" OverLimit "JSON holds too many values",
            "One text holds at most 4,000,000 values: memory stays bounded.";
        JsonCanonical "JSON-CANONICAL" Document "document is not in its one spelling (RFC 8785)",
            "Our documents are RFC 8785 bytes.";
        DocumentMember "DOCUMENT-MEMBER" Document "document member is missing, unknown or of the wrong type",
            "Each member of critical is one that this version knows, each known one is there, with its type.";
        DocumentVersion "DOCUMENT-VERSION" Document "document of another version",
            "version is 1.";
        DocumentNumber "DOCUMENT-NUMBER" Document "number is not an integer from 0 to 2^53-1",
            "Numbers in our documents are integers from 0 to 2^53-1.";
        DocumentString "DOCUMENT-STRING" Document "string is empty, too long or has control characters",
            "Strings hold no control characters and at most 4 KiB; annotation keys and the note are not empty.";
        DocumentEmpty "DOCUMENT-EMPTY" Document "empty member must be absent",
            "annotations, unseen and note are absent when empty.";
        DocumentSorted "DOCUMENT-SORTED" Document "list is not sorted, or has an entry twice",
            "evidence and unseen are sorted, each entry once.";
        DocumentKind "DOCUMENT-KIND" Document "kind of item that this version does not know",
            "kind is image, custom-payload, attestation or blob.";
        DocumentReference "DOCUMENT-REFERENCE" Document "identity or destination is not spelled as references are",
            "identity and destination are references in their one spelling; an identity has no digest, a destination has a tag or a digest.";
        DocumentItems "DOCUMENT-ITEMS" OverLimit "too many items, annotations or unknown members",
            "A request has 1 to 10,000 items with at most 256 annotations each, and at most 256 unknown members of optional.";
        CustomPayload "CUSTOM-PAYLOAD" NotAllowed "bytes that other tools would take for an image signature's",
            "A payload of another tool, and the content of a file, neither begin with `DSSEv1 ` nor are a JSON object with a member `critical`, in whatever letter case.";
        PredicateSyntax "PREDICATE-SYNTAX" Document "predicate is not a strict JSON object",
            "A predicate is a JSON object, no member twice, at most 64 deep; the type custom wraps any text in UTF-8.";
        PredicateSize "PREDICATE-SIZE" OverLimit "predicate is larger than the limit",
            "A predicate has at most 3 MiB less 8 KiB: in base64, with its signature, it has 4 MiB.";
        DocumentReserved "DOCUMENT-RESERVED" Document "annotation that other tools read as a verified fact",
            "No item has an annotation creator, timestamp, Issuer, Subject, Bundle or `RFC3161Timestamp`.";
    }
    "self-consistency" {
        ItemList "ITEM-LIST" Inconsistent "items are not those that follow from the images",
            "Each image's items follow depth first from its evidence, numbered from 1 without a gap, equal ones once; images ascend by destination, identity, annotations; then come payloads, attestations and files, each in their order.";
        ItemUnseen "ITEM-UNSEEN" Inconsistent "children that are not carried are not the ones named unseen",
            "A child is listed in unseen exactly when its blob is absent.";
        ItemEvidence "ITEM-EVIDENCE" Inconsistent "evidence list is not what the manifests say",
            "evidence is exactly the item's manifest, the carried manifests below it, and their configs.";
        ItemPayload "ITEM-PAYLOAD" Inconsistent "payload is not the one that follows from the item",
            "Rendering the payload again gives the same bytes.";
        ItemStatement "ITEM-STATEMENT" Inconsistent "statement is not the one that follows from the item",
            "Rendering the statement again gives the same bytes.";
        ItemContent "ITEM-CONTENT" Inconsistent "file to sign is not of the size its item says",
            "The content of a file to sign has the size that its item says.";
        ItemDestination "ITEM-DESTINATION" Inconsistent "destination names another digest than the item",
            "A destination by digest names the subject's digest; a destination by tag is named by one digest only.";
        ItemIdentity "ITEM-IDENTITY" Inconsistent "one tagged identity for unrelated images",
            "All items that share an identity with a tag lie in the tree of one of them.";
        RequestSize "REQUEST-SIZE" OverLimit "the response to this request would be over a limit",
            "With 8 keys and both forms the response stays within every limit, and a .sig within 1,000 layers.";
    }
    "evidence" {
        EvidenceAbsent "EVIDENCE-ABSENT" Inconsistent "manifest or config is not in the file",
            "The top manifest of an image, and the config of every carried manifest, is in the file.";
        EvidenceSize "EVIDENCE-SIZE" Inconsistent "size is not the one its descriptor says",
            "A descriptor's size is the size of its bytes.";
        EvidenceMember "EVIDENCE-MEMBER" Document "manifest member is missing or of the wrong type",
            "Members that a reader relies on are there with their types.";
        EvidenceAlgorithm "EVIDENCE-ALGORITHM" Inconsistent "digest is not sha256",
            "Digests are sha256, in lower-case hex.";
        EvidenceMediaType "EVIDENCE-MEDIA-TYPE" Inconsistent "mediaType is not its descriptor's",
            "mediaType, where present, equals the descriptor's.";
        EvidenceKind "EVIDENCE-KIND" OtherKind "kind of manifest that cannot be signed",
            "A manifest is OCI or Docker schema 2, an index OCI or Docker list.";
        EvidenceTwoKinds "EVIDENCE-TWO-KINDS" Inconsistent "manifest is an image and an index at once",
            "manifests never stands beside config or layers.";
        EvidenceData "EVIDENCE-DATA" Inconsistent "embedded data does not match its descriptor",
            "Embedded data has the size and the digest of its descriptor.";
        EvidenceDescriptor "EVIDENCE-DESCRIPTOR" Inconsistent "one digest with two media types or sizes",
            "Two descriptors of one digest agree in media type and size.";
        EvidencePlatform "EVIDENCE-PLATFORM" Inconsistent "platform of the index is not the image's",
            "os and architecture of a child's descriptor equal its config's; variant and os.version where both have them.";
        EvidenceLayers "EVIDENCE-LAYERS" Inconsistent "config lists another number of layers",
            "A config has as many `diff_ids` as the manifest has layers.";
        EvidenceEmptyIndex "EVIDENCE-EMPTY-INDEX" Inconsistent "index without manifests",
            "An index names at least one manifest.";
        EvidenceSignature "EVIDENCE-SIGNATURE" NotAllowed "manifest that is itself a signature",
            "No manifest to be signed holds simple signing or Sigstore bundle layers.";
        EvidenceDepth "EVIDENCE-DEPTH" OverLimit "indexes are nested too deep, or name too many manifests",
            "Indexes nest at most 4 deep, with at most 1,000 distinct manifests below an item.";
    }
    "signatures" {
        ResponseRequest "RESPONSE-REQUEST" Inconsistent "response document answers another request",
            "A response document names the request document of its file.";
        ResponseKey "RESPONSE-KEY" Inconsistent "response document's key is not its id's, or of a type that signs no file",
            "publicKey is the one encoding of an SPKI that coldsign writes, id its SHA-256; it is P-256, P-384 or Ed25519.";
        ResponseKeys "RESPONSE-KEYS" OverLimit "too many keys",
            "At most 8 keys sign a file.";
        ResponseUnused "RESPONSE-UNUSED" Inconsistent "response document of a key that signed nothing",
            "Each key of a response has a signature in the file.";
        ResponseAbsent "RESPONSE-ABSENT" OtherKind "a request that nobody signed yet",
            "Where a response is wanted the file has at least one.";
        SignatureEncoding "SIGNATURE-ENCODING" Inconsistent "signature is not in its one encoding",
            "Signatures are padded base64 on one line; ECDSA is strict DER, never r and s alone.";
        SignatureInvalid "SIGNATURE-INVALID" Inconsistent "signature by none of the file's keys",
            "Every .sig layer and bundle verifies under a key of the file, one signature a key, payload and place.";
    }
    "export" {
        ReferenceSyntax "REFERENCE-SYNTAX" Usage "not a reference",
            "A reference is registry/repository:tag or @sha256 digest, at most 512 bytes, no IPv6 literal.";
        ReferenceBare "REFERENCE-BARE" Usage "reference has neither tag nor digest",
            "There is no silent latest.";
        ReferenceDigest "REFERENCE-DIGEST" Inconsistent "digest in the name is not the image's",
            "A digest in a name is the digest of the image.";
        ReferenceAbsent "REFERENCE-ABSENT" Usage "image has no name: say --as",
            "The name of an image comes from --as, io.containerd.image.name or a full ref name.";
        ReferenceAmbiguous "REFERENCE-AMBIGUOUS" Usage "image has more than one name: say --as",
            "One name is an image's destination.";
        PlatformSyntax "PLATFORM-SYNTAX" Usage "not a platform",
            "A platform is os/architecture or os/architecture/variant.";
        ImageAbsent "IMAGE-ABSENT" TagAbsent "no such image",
            "The layout has an entry of that name or digest, or the repository such a tag or manifest.";
        ImageAmbiguous "IMAGE-AMBIGUOUS" Usage "more than one image fits",
            "A name picks one image.";
        SourceSyntax "SOURCE-SYNTAX" Usage "not a place that images come from",
            "A source is a reference with a tag or a digest, `oci:DIR[:REF]` or `oci-archive:FILE[:REF]`.";
        SourceKind "SOURCE-KIND" OtherKind "not an OCI layout",
            "Images come from an OCI layout, as a directory or an archive.";
        SourceMalformed "SOURCE-MALFORMED" Archive "layout or archive is broken",
            "Archives are whole, with names that stay inside and none twice; oci-layout says 1.0.0.";
        SourceBlob "SOURCE-BLOB" Inconsistent "blob of the layout does not match its digest",
            "Every blob that is read hashes to its digest.";
        SourceSize "SOURCE-SIZE" OverLimit "archive is larger than the limit",
            "A pipe or compressed archive gives at most 256 GiB, of it 512 MiB in blobs of 4 MiB or less; an archive has at most 1,000,000 members.";
        SourceAbsent "SOURCE-ABSENT" Archive "manifest, config or payload is not there",
            "Manifests and configs of an image are where the image is.";
        LayerAbsent "LAYER-ABSENT" Archive "layer or config is not there",
            "Every blob that a manifest names is where the manifest is, when it is copied.";
        LayerDigest "LAYER-DIGEST" Inconsistent "blob is not what its descriptor says",
            "Every blob that is copied has the size and the digest of its descriptor; nothing has its name before.";
        ArchiveDocker "ARCHIVE-DOCKER" OtherKind "docker-archive holds no manifest",
            "A docker save file has a layout inside (Docker 25 and later).";
        TagChanged "TAG-CHANGED" Changed "tag moved during the export",
            "A tag names the same image when an export ends as when it began.";
        PlatformAbsent "PLATFORM-ABSENT" TagAbsent "index has no such platform",
            "--platform picks children that the index has.";
        AnnotationSyntax "ANNOTATION-SYNTAX" Usage "annotation is not key=value",
            "An annotation is key=value with a key that is not empty.";
        AnnotationRepeated "ANNOTATION-REPEATED" Usage "annotation is given twice",
            "Each annotation key is given once.";
        AnnotationReserved "ANNOTATION-RESERVED" Usage "annotation that other tools read as a verified fact",
            "creator, timestamp, Issuer, Subject, Bundle and `RFC3161Timestamp` are not set by hand.";
        PredicateType "PREDICATE-TYPE" Usage "not a predicate type",
            "A predicate type is a URI of at most 512 bytes or one of cosign's names for one, and not that of image signatures.";
        ListSyntax "LIST-SYNTAX" Usage "line of the list cannot be read",
            "Lines are IMAGE [--as REF] [--identity REF] [-a k=v]…";
        ListEmpty "LIST-EMPTY" Usage "no images given",
            "At least one image is asked for.";
    }
    "keys" {
        HomeAbsent "HOME-ABSENT" Environment "not a coldsign home",
            "The home is a directory that coldsign-signer init made.";
        HomeExists "HOME-EXISTS" Environment "home is there already",
            "init changes no home.";
        HomeUnset "HOME-UNSET" Usage "no home given: --home DIR or COLDSIGN_HOME",
            "There is no default home: nobody signs from the wrong stick.";
        HomeMode "HOME-MODE" Environment "others may read the home",
            "The home is 0700 and its files 0600, where the file system has modes.";
        HomeEntry "HOME-ENTRY" Environment "home has an entry that is no regular file",
            "Below the home are directories and regular files only, no symbolic links.";
        HomeLocked "HOME-LOCKED" Environment "another coldsign-signer uses this home",
            "One program at a time uses a home.";
        KeyName "KEY-NAME" Usage "not a key name",
            "A key's name is `[a-z0-9][a-z0-9._-]{0,63}`.";
        KeyAbsent "KEY-ABSENT" NoSuchKey "no such key",
            "The home has the key.";
        KeyExists "KEY-EXISTS" Environment "key is there already",
            "No key file is written over.";
        KeyDamaged "KEY-DAMAGED" KeyDamaged "key file is damaged",
            "The checksum of a sealed key is right, and its members are whole.";
        KeyFormat "KEY-FORMAT" KeyUnsupported "key file in a format that is not supported",
            "A key file is one PEM block of a known label, nothing around it.";
        KeyParameters "KEY-PARAMETERS" KeyUnsupported "key file asks for parameters that are not supported",
            "scrypt parameters are among those allowed; they are checked before any work.";
        KeyType "KEY-TYPE" KeyUnsupported "key of a type that cannot be used for this",
            "Signing: P-256, P-384, Ed25519, of which Ed25519 signs no hash alone. Verifying: these, P-521, RSA with 2048, 3072 or 4096 bits.";
        KeyEncoding "KEY-ENCODING" KeyUnsupported "public key is not in its one encoding",
            "A public key is a named curve and an uncompressed point, so that one key has one id.";
        KeyMismatch "KEY-MISMATCH" KeyDamaged "private and public key do not belong together",
            "Unlocking derives the public key that the header names.";
        KeyUses "KEY-USES" NotAllowed "key may not be used for this",
            "A key signs nothing outside its uses.";
        KeyPassphrase "KEY-PASSPHRASE" Passphrase "wrong passphrase",
            "The passphrase opens the key.";
        KeyPassphraseDamaged "KEY-PASSPHRASE-DAMAGED" Passphrase "wrong passphrase or damaged ciphertext: this format cannot tell",
            "The passphrase opens a key in a foreign format.";
        PassphraseEmpty "PASSPHRASE-EMPTY" Usage "empty passphrase",
            "A key is not sealed with an empty passphrase.";
        PassphraseTwice "PASSPHRASE-TWICE" Usage "the two passphrases differ",
            "A new passphrase is typed twice.";
        PassphraseSource "PASSPHRASE-SOURCE" Usage "no terminal to ask for a passphrase",
            "Passphrases come from the terminal, --passphrase-file or --passphrase-fd; for `coldsign public-key` from `COSIGN_PASSWORD` too.";
        KeyBackup "KEY-BACKUP" Inconsistent "not the key of that name in the home",
            "A backup holds the same key as the home.";
        SelfTest "SELF-TEST" SelfTest "known answer came out wrong",
            "Every primitive gives its known answer before it is used.";
        ProcessOpen "PROCESS-OPEN" Environment "memory of this process cannot be closed to others",
            "Core dumps are off, and on Linux no other process can dump or trace this one.";
        SwapActive "SWAP-ACTIVE" Environment "swap is active",
            "Keys are not unlocked while memory may be written to swap, unless --allow-swap.";
    }
    "signing" {
        ItemsMany "ITEMS-MANY" OverLimit "more items than anybody reviews by accident",
            "More than 1,000 items need --max-items.";
        ApprovalMissing "APPROVAL-MISSING" Usage "no terminal: say --approve with the request digest",
            "Without a terminal the approval names the request.";
        ApprovalTerminal "APPROVAL-TERMINAL" Usage "--approve is for stations without a terminal",
            "At a terminal the approval is the words.";
        ApprovalOther "APPROVAL-OTHER" OtherRequest "approval names another request",
            "--approve is the digest of this request.";
        Challenge "CHALLENGE" Challenge "three wrong answers",
            "Six of the 32 words, at positions drawn anew for each attempt.";
        OperatorRefused "OPERATOR-REFUSED" Refused "refused by the operator",
            "q refuses.";
        SignVerify "SIGN-VERIFY" Inconsistent "fresh signature does not verify",
            "Each signature verifies by the importer's path before anything is written.";
        OutExists "OUT-EXISTS" Environment "output is there already",
            "No file is written over.";
        OutSpace "OUT-SPACE" Environment "no room for the output",
            "There is room for the response before the person is asked.";
        OutReadBack "OUT-READ-BACK" Environment "the medium gives back other bytes",
            "What was written is read back and is the same.";
    }
    "combine" {
        CombineRequest "COMBINE-REQUEST" Inconsistent "files answer different requests",
            "Files that are combined have the same request document.";
        CombineKeys "COMBINE-KEYS" OverLimit "together too many keys",
            "At most 8 keys sign a file.";
    }
    "import" {
        ImportRequest "IMPORT-REQUEST" OtherRequest "response answers another request",
            "The response answers the request given with --request or --request-digest.";
        ImportDestination "IMPORT-DESTINATION" NotAllowed "destination is not the identity's repository",
            "Without --request or --request-digest each destination is its identity's repository, and no item is a payload of another tool, which names no image.";
        ImportKeys "IMPORT-KEYS" NoneMatched "no signature by the keys given",
            "At least one signature is by a key given with --key.";
        ThresholdKeys "THRESHOLD-KEYS" Threshold "too few distinct keys",
            "Each item has valid signatures of as many distinct keys as asked for.";
        ImportItems "IMPORT-ITEMS" NoneMatched "items without a signature by the keys given",
            "Each item has a signature by a key given.";
        SubjectAbsent "SUBJECT-ABSENT" Partial "image is gone",
            "The signed manifest is at the destination.";
        DestinationBroken "DESTINATION-BROKEN" Archive "what stands at the destination cannot be read",
            "An existing .sig manifest or index at the destination can be read before it is changed.";
        SigFull "SIG-FULL" OverLimit "the destination's .sig would be over a limit",
            "A .sig manifest that is written has at most 1,000 layers and 4 MiB.";
        DestinationChanged "DESTINATION-CHANGED" Changed "destination changed while it was written",
            "Nobody else changes the index of a layout between reading and replacing it.";
        BundleHidesSig "BUNDLE-HIDES-SIG" Done "stock cosign will not look at .sig",
            "A warning: a bundle beside an image, not by a key given, changes what stock cosign looks at.";
        TagMoved "TAG-MOVED" Done "tag names another image",
            "A warning: the tag that was signed for names another image now; signatures are put beside the digest that was signed.";
        SigCrashesCosign "SIG-CRASHES-COSIGN" Done "a foreign layer crashes cosign 2",
            "A warning: a layer beside ours has a log annotation null or {}, on which cosign 2 panics whatever else stands there.";
        ReferrersTag "REFERRERS-TAG" Partial "tag of the referrers holds something else",
            "Where a registry has no referrers API, tag `sha256-<hex>` is absent or an index of referrers; anything else is never written over.";
        ReferrersFull "REFERRERS-FULL" OverLimit "list of referrers would be over a limit",
            "Where a registry has no referrers API, the index that is written under tag `sha256-<hex>` has at most 1,000 entries and 4 MiB.";
        PushLost "PUSH-LOST" Partial "what was pushed does not stay",
            "After a settle time, in at most eight rounds, every signature that was pushed is read back and verifies.";
        DestinationTaken "DESTINATION-TAKEN" NotAllowed "destination holds something else",
            "The name that a copy gets is free or names it already, and another SBOM is not replaced, unless --force.";
        DestinationName "DESTINATION-NAME" Usage "name that signatures or referrers are found by",
            "No image is named `sha256-<hex>`, alone or with .sig, .att or .sbom.";
        CleanKind "CLEAN-KIND" NotAllowed "not deleted: no signature, attestation, SBOM or bundle of this image",
            "A manifest is deleted only if its own types say what it is, whatever tag it has, a referrer only if its own subject is the image.";
        CleanTags "CLEAN-TAGS" NotAllowed "not deleted: another tag names it as well",
            "Where a registry deletes by digest alone, nothing is deleted that another tag names.";
        CleanLeft "CLEAN-LEFT" Partial "what was deleted is still there",
            "What was deleted is not found any more.";
        ReadBack "READ-BACK" Changed "destination gives back other bytes",
            "What was pushed is read back, and verifies.";
    }
    "verify" {
        SigAbsent "SIG-ABSENT" NoSignatures "no signatures found",
            "There is a .sig or a bundle for the digest.";
        SigTag "SIG-TAG" TagAbsent "image tag not found",
            "The image asked for is there.";
        SigManifestKind "SIG-MANIFEST-KIND" NoneMatched ".sig manifest is not a manifest of signatures",
            "The .sig is an OCI or Docker image manifest with 1 to 1,000 layers.";
        SigLayerType "SIG-LAYER-TYPE" NoneMatched "layer is no simple signing payload",
            "A signature layer has the simple signing media type.";
        SigLayerSize "SIG-LAYER-SIZE" NoneMatched "payload is not of the size its descriptor says",
            "A payload has its descriptor's size and digest.";
        SigAnnotation "SIG-ANNOTATION" NoneMatched "layer has no signature",
            "A signature layer has the signature annotation, not empty.";
        SigBase64 "SIG-BASE64" NoneMatched "signature is not base64",
            "Signatures are padded standard base64; line breaks are skipped, as cosign does.";
        SigCertificate "SIG-CERTIFICATE" NoneMatched "signature is by a certificate, or says so",
            "A certificate annotation is absent or empty, a bundle names a public key: keyless signatures are not supported yet and never count.";
        SigLog "SIG-LOG" NoneMatched "log or timestamp annotation cannot be read",
            "A log annotation is absent, empty or exactly a log bundle, a timestamp annotation absent, empty or exactly a timestamp's.";
        SigKey "SIG-KEY" NoneMatched "not signed by the key",
            "The signature verifies with a key given.";
        PayloadSyntax "PAYLOAD-SYNTAX" NoneMatched "payload is not a simple signing payload",
            "A payload is JSON with exactly critical and optional, in one of two spellings, never a mixture.";
        PayloadType "PAYLOAD-TYPE" NoneMatched "payload was made for another purpose",
            "critical.type is cosign's.";
        PayloadDigest "PAYLOAD-DIGEST" NoneMatched "payload names another digest",
            "docker-manifest-digest is the digest of the image.";
        PayloadAnnotations "PAYLOAD-ANNOTATIONS" NoneMatched "missing or different annotation",
            "Each annotation asked for is there as a string and equal.";
        BundleSyntax "BUNDLE-SYNTAX" NoneMatched "bundle cannot be read",
            "A bundle is v0.3 JSON with a public key and one DSSE signature.";
        BundleSubject "BUNDLE-SUBJECT" NoneMatched "statement is about another digest",
            "A subject of the statement has the digest of the image.";
        BundlePredicate "BUNDLE-PREDICATE" NoneMatched "statement is no image signature",
            "predicateType is cosign's for image signatures.";
        AttAbsent "ATT-ABSENT" NoSignatures "no attestations found",
            "There is an .att or a bundle for the digest.";
        AttManifestKind "ATT-MANIFEST-KIND" NoneMatched ".att manifest is not a manifest of attestations",
            "The .att is an OCI or Docker image manifest with 1 to 1,000 layers.";
        AttLayerType "ATT-LAYER-TYPE" NoneMatched "layer is no DSSE envelope",
            "An attestation layer has the media type of DSSE envelopes.";
        AttLayerSize "ATT-LAYER-SIZE" NoneMatched "envelope is not of the size its descriptor says",
            "An envelope has its descriptor's size and digest.";
        AttEnvelope "ATT-ENVELOPE" NoneMatched "envelope cannot be read",
            "An envelope is strict JSON with an in-toto statement in base64 and 1 to 32 signatures; key ids are not looked at.";
        AttStatement "ATT-STATEMENT" NoneMatched "statement of an attestation cannot be read",
            "An attestation's statement is a strict in-toto statement v0.1 or v1 with 1 to 1,024 subjects.";
        AttPredicate "ATT-PREDICATE" NoneMatched "attestation of another type",
            "predicateType is the one asked for, compared as a string; never that of image signatures.";
        VerifyThreshold "VERIFY-THRESHOLD" Threshold "too few distinct keys",
            "Valid signatures of as many distinct keys as asked for.";
    }
    "log" {
        LogSyntax "LOG-SYNTAX" Log "log entry cannot be read",
            "A log entry in a bundle has the members of a `TransparencyLogEntry`, in one spelling, integers up to 2^53-1 and base64 on one line.";
        LogLimit "LOG-LIMIT" Log "log entries are over a limit",
            "A bundle has at most 32 log entries of 64 hashes, bodies of 64 KiB, checkpoints of 128 KiB; an annotation has 64 KiB.";
        LogRepeated "LOG-REPEATED" Log "log entry stands twice",
            "A signature has an entry of one log and index once.";
        LogPromise "LOG-PROMISE" Log "entry of Rekor v2 has a promise",
            "Rekor v2 promises nothing: inclusionPromise is absent or null.";
        LogTime "LOG-TIME" Log "time of the entry is outside the log key's validity",
            "integratedTime is in the window of the log's key in the trusted root, its ends included.";
        LogSet "LOG-SET" Log "promise (SET) is not the log's",
            "The signed entry timestamp verifies with the log's key over the RFC 8785 bytes of body, integratedTime, logID and logIndex.";
        LogKind "LOG-KIND" Log "entry is of another kind",
            "kindVersion is the body's, and fits what is signed: hashedrekord 0.0.1 (or 0.0.2 in Rekor v2) for payloads and files, dsse 0.0.1 or intoto 0.0.2 (or hashedrekord 0.0.2) for envelopes.";
        LogBody "LOG-BODY" Log "body of the entry cannot be read",
            "A body is the RFC 8785 bytes of its kind's schema: no other member, no other spelling, one PEM block.";
        LogSignature "LOG-SIGNATURE" Log "entry holds another signature",
            "The entry has one signature, the one it stands beside, byte for byte; in an .att this one is among those of the envelope.";
        LogKey "LOG-KEY" Log "entry names another key",
            "The entry's key is the key that the signature was verified with.";
        LogHash "LOG-HASH" Log "entry is about other bytes",
            "The entry's hash is the SHA-256 of what was signed, in lower-case hex.";
        LogLeaf "LOG-LEAF" Log "entry of Rekor v2 is another signature's",
            "canonicalizedBody is, byte for byte, the leaf that digest, signature and key make.";
        LogProof "LOG-PROOF" Log "entry has no proof of inclusion",
            "An entry in a bundle has an inclusion proof with a checkpoint, whatever the bundle's media type.";
        LogCheckpoint "LOG-CHECKPOINT" Log "checkpoint cannot be read",
            "A checkpoint is a signed note: origin, size, root, an empty line, signature lines; nothing after them.";
        LogOrigin "LOG-ORIGIN" Log "checkpoint is of another log",
            "Origin and signer of a checkpoint are the log's host; Rekor v1 adds ` - ` and the number of the tree to the origin.";
        LogNote "LOG-NOTE" Log "checkpoint is not signed by the log",
            "A line of the checkpoint verifies with the log's key; in Rekor v1 no line is another's.";
        LogRoot "LOG-ROOT" Log "proof is for another checkpoint",
            "The proof's root and size are the checkpoint's.";
        LogIndex "LOG-INDEX" Log "entry has two indexes",
            "In Rekor v2 the entry's index and the proof's are one.";
        LogInclusion "LOG-INCLUSION" Log "entry is not in the log's tree",
            "The hashes lead from the entry to the root of the checkpoint (RFC 6962 2.1.1), with none left over.";
        LogEnded "LOG-ENDED" Log "log key is over and nothing shows that the signature is older",
            "An entry without a time of its own, of a log key whose validity ends, stands beside a verified timestamp not after that end.";
        LogRequired "LOG-REQUIRED" Log "too few verified log entries",
            "Verified entries of as many distinct logs as demanded.";
    }
    "timestamp" {
        TokenSyntax "TOKEN-SYNTAX" Token "timestamp cannot be read",
            "A timestamp is a granted `TimeStampResp` (RFC 3161) with one signer, and nothing after it.";
        TokenLimit "TOKEN-LIMIT" Token "timestamps are over a limit",
            "A signature has at most 32 timestamps of 64 KiB.";
        TokenRepeated "TOKEN-REPEATED" Token "timestamp stands twice",
            "A signature has a timestamp once.";
        TokenImprint "TOKEN-IMPRINT" Token "timestamp is of other bytes",
            "The imprint is the SHA-256, SHA-384 or SHA-512 of the raw signature, in an .att of the envelope; an authority's answer has the nonce of the request.";
        TokenSignature "TOKEN-SIGNATURE" Token "timestamp is not signed by its authority",
            "The token's attributes hash its content and name the signer's certificate, its signature verifies with the certificate in the trust material, and the first certificate beside it that is no CA's, where there is one, is the same.";
        TokenUsage "TOKEN-USAGE" Token "certificate of the authority is not for timestamps",
            "The authority's certificate has one extended key usage, timeStamping, and it is critical (RFC 3161 2.3); its key usage is for signatures.";
        TokenChain "TOKEN-CHAIN" Token "certificates of the authority do not hold at the time of the timestamp",
            "The authority's chain holds at the time of the token, and at the time of signing that it states, from its certificate to its root, which is not over either.";
        TokenWindow "TOKEN-WINDOW" Token "timestamp is outside the authority's validity",
            "The time of the token is in the authority's window in the trusted root, its ends included.";
        TokenRequired "TOKEN-REQUIRED" Token "no verified timestamp",
            "A timestamp is verified where one is demanded.";
    }
    "trust" {
        TrustKind "TRUST-KIND" OtherKind "not a trusted root",
            "A trusted root has the media type application/vnd.dev.sigstore.trustedroot+json;version=0.1 or its newer spelling.";
        TrustMember "TRUST-MEMBER" Document "trusted root member is missing, unknown or of the wrong type",
            "A trusted root has the members of its schema; a log has its id, key and the start of its validity.";
        TrustKey "TRUST-KEY" KeyUnsupported "log key is of a type that logs do not have",
            "A log signs with ECDSA P-256, P-384 or Ed25519, and entries and notes by their rules.";
        TrustChain "TRUST-CHAIN" KeyDamaged "certificates of a timestamp authority cannot be read",
            "A chain is 1 to 16 X.509 certificates, in a trusted root the authority's own first; a PEM file is one chain from the authority's own to a root, in any order.";
        TrustNone "TRUST-NONE" Usage "nothing to check log entries or timestamps with",
            "What is demanded can be checked: --log require wants a log key, --tsa require a timestamp authority.";
    }
    "report" {
        ReportKind "REPORT-KIND" OtherKind "not a report of verify",
            "What is merged was written by verify --report json:FILE.";
        ReportMember "REPORT-MEMBER" Document "report member is missing, unknown or of the wrong type",
            "A report has the members that this version writes, with their types, and names checks that it knows.";
        ReportList "REPORT-LIST" Inconsistent "report of another list",
            "Reports that are merged have the digest and the number of entries of one list.";
        ReportDemand "REPORT-DEMAND" Inconsistent "report of other keys or demands",
            "Reports that are merged demanded the same keys, threshold, annotations and claims, in the same places.";
        ReportShards "REPORT-SHARDS" Inconsistent "shards do not make one whole",
            "Shards that are merged are of one number, and each of them is there once.";
        ReportEntries "REPORT-ENTRIES" Inconsistent "report is not whole",
            "A shard's report has results for each of its entries, in order, for no other, and as many as it counts.";
    }
    "files" {
        AttFile "ATT-FILE" OtherKind "not a file of attestations",
            "A file of attestations holds DSSE envelopes or bundles with one, as strict JSON: one, or one a line.";
        MessageDigest "MESSAGE-DIGEST" NoneMatched "bundle is another file's",
            "The hash of the file is the one that a bundle names; one that it leaves out is not compared.";
        BlobBundle "BLOB-BUNDLE" Bundle "not the bundle of a file's signature",
            "The bundle of a file is v0.3 JSON with a public key, a hash by SHA-256, SHA-384 or SHA-512, or none, and a signature.";
    }
    "registry" {
        RegistryReach "REGISTRY-REACH" NothingPushed "registry cannot be reached",
            "A connection to the registry is made, with TLS by a certificate that is trusted, and is not dropped again and again.";
        RegistryTimeout "REGISTRY-TIMEOUT" NothingPushed "registry took too long",
            "A registry connects in 10 s, is never idle for 30 s, and answers a request in 5 min; a request that timed out is not sent again.";
        RegistryLogin "REGISTRY-LOGIN" NothingPushed "registry refused the login",
            "The registry takes the credentials, or wants none (401 otherwise).";
        RegistryDenied "REGISTRY-DENIED" NothingPushed "registry does not allow it",
            "The registry allows what is asked of it (403, 405 otherwise, or 401 to a push with a login that may read).";
        RegistryAnswer "REGISTRY-ANSWER" NothingPushed "registry gave an answer that is of no use",
            "The registry answers as the OCI distribution specification says, after a bounded number of retries of 429 and 5xx.";
        RegistryLimit "REGISTRY-LIMIT" NothingPushed "registry's answer is over a limit",
            "Manifests and blobs have at most 4 MiB, error and token answers 64 KiB, lists of referrers 32 pages and 1,000 entries.";
        RegistryDigest "REGISTRY-DIGEST" Changed "registry gives other bytes than were asked for",
            "Every body hashes to the digest asked for, and to the digest in its own header.";
        RegistryRedirect "REGISTRY-REDIRECT" NothingPushed "registry redirects to where nobody should follow",
            "GET and HEAD follow at most 5 redirects, never from https to http; pages of a list stay on the registry.";
        RegistryRealm "REGISTRY-REALM" NothingPushed "registry sends credentials to where they do not belong",
            "The token service that a registry names speaks https, or is on the host of a registry that does not, and does not redirect.";
        RegistryAuthorities "REGISTRY-AUTHORITIES" Environment "file of certificate authorities cannot be used",
            "The file of --registry-ca holds one or more certificates in PEM, each of which can be read.";
        RegistryCredentials "REGISTRY-CREDENTIALS" Environment "credentials cannot be read",
            "The file of credentials is JSON as docker and podman write it, and the programs that it names answer.";
    }
    "services" {
        LogReach "LOG-REACH" Log "log cannot be reached",
            "A connection to the log is made, with TLS by a certificate that is trusted, and is not dropped again and again.";
        LogTimeout "LOG-TIMEOUT" Log "log took too long",
            "A log connects in 10 s, is never idle for 30 s, and answers a request in 5 min, in one of three tries.";
        LogRefused "LOG-REFUSED" Log "log does not take it",
            "The log takes what is submitted (4xx otherwise, and final); keys and hashes that such a log cannot take are not submitted.";
        LogAnswer "LOG-ANSWER" Log "log gave an answer that is of no use",
            "A log answers as its kind of Rekor does, within bounds, about the entry that was submitted, after a bounded number of retries of 429 and 5xx.";
        LogRedirect "LOG-REDIRECT" Log "log sends elsewhere",
            "A log answers itself: nothing is redirected, and the Location of an entry that is there already is on the log.";
        LogTile "LOG-TILE" Log "tile of the log cannot be read",
            "The tiles that a checkpoint's size implies are there, of 32 bytes a hash; a bundle has as many entries as its name says.";
        LogAbsent "LOG-ABSENT" Log "log does not have the entry",
            "The log that is asked for an entry has it.";
        TsaReach "TSA-REACH" Token "timestamp authority cannot be reached",
            "A connection to the authority is made, with TLS by a certificate that is trusted, and is not dropped again and again.";
        TsaTimeout "TSA-TIMEOUT" Token "timestamp authority took too long",
            "An authority connects in 10 s, is never idle for 30 s, and answers a request in 5 min, in one of three tries.";
        TsaRefused "TSA-REFUSED" Token "timestamp authority does not stamp it",
            "The authority takes the request (4xx otherwise, and final).";
        TsaAnswer "TSA-ANSWER" Token "timestamp authority gave an answer that is of no use",
            "An authority answers itself, with status 200 and a timestamp of at most 64 KiB, after a bounded number of retries of 429 and 5xx.";
    }
    "surroundings" {
        Interrupted "INTERRUPTED" Environment "interrupted",
            "Nothing is begun after Ctrl-C; what is done stays done.";
        Usage "USAGE" Usage "command line cannot be followed",
            "Flags do not contradict each other.";
        FileRead "FILE-READ" Environment "cannot read",
            "Inputs are regular files that can be read.";
        FileWrite "FILE-WRITE" Environment "cannot write",
            "Outputs can be written.";
        FileNotRegular "FILE-NOT-REGULAR" Environment "not a regular file",
            "Inputs are regular files: no directory, device or pipe.";
        RandomSource "RANDOM-SOURCE" Environment "no randomness from the operating system",
            "The operating system gives randomness.";
        TerminalFailed "TERMINAL-FAILED" Environment "terminal cannot be used",
            "The terminal can be read and written.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_upper_kebab() {
        let mut seen = std::collections::BTreeSet::new();
        for check in Check::ALL {
            let id = check.id();
            assert!(seen.insert(id), "{id} stands twice");
            assert!(
                id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-'),
                "{id}"
            );
            let message = check.message();
            let lower = message.starts_with("JSON") || !message.starts_with(char::is_uppercase);
            assert!(!message.ends_with('.') && lower, "{id}: {message}");
        }
    }
}
