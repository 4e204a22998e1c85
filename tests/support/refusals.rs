//! For each case of other people's signatures that is refused, the check that fires.

use coldsign::check::Check;

/// Of `fixtures/sig`, without those that demand a log.
pub(crate) const SIG_REFUSALS: &[(&str, Check)] = &[
    ("type-atomic", Check::PayloadType),
    ("type-cosign3-url", Check::PayloadType),
    ("type-garbage", Check::PayloadType),
    ("optional-missing", Check::PayloadSyntax),
    ("optional-frac-timestamp", Check::PayloadSyntax),
    ("extra-top-key", Check::PayloadSyntax),
    ("no-identity", Check::PayloadSyntax),
    ("dup-digest-wrong-right", Check::PayloadSyntax),
    ("dup-digest-right-wrong", Check::PayloadSyntax),
    ("digest-no-prefix", Check::PayloadSyntax),
    ("non-json-payload", Check::PayloadSyntax),
    ("digest-wrong", Check::PayloadDigest),
    ("sig-annotation-missing", Check::SigAnnotation),
    ("sig-empty", Check::SigAnnotation),
    ("sig-b64-urlsafe", Check::SigBase64),
    ("sig-wrong-key", Check::SigKey),
    ("layer-mt-octet-stream", Check::SigLayerType),
    ("no-layers", Check::SigAbsent),
    ("layer-size-mismatch", Check::SigLayerSize),
    ("cert-annotation-garbage", Check::SigCertificate),
    ("bundle-annotation-garbage", Check::SigLog),
    ("verify-annotation-mismatch", Check::PayloadAnnotations),
];

/// Of `fixtures/referrer`.
pub(crate) const REFERRER_REFUSALS: &[(&str, Check)] = &[
    ("predicate-other", Check::BundlePredicate),
    ("statement-v0.1", Check::BundleSyntax),
    ("subject-empty", Check::BundleSyntax),
    ("payloadtype-other", Check::BundleSyntax),
    ("keyid-set", Check::BundleSyntax),
    ("messagesignature-bundle", Check::BundleSyntax),
    ("subject-wrong", Check::BundleSubject),
    ("wrong-key", Check::SigKey),
    ("layer-mediatype-json", Check::SigAbsent),
    ("annotation-mismatch", Check::PayloadAnnotations),
];
