//! Manifests, indexes and configs of images; `.sig`, `.att` and referrer manifests.
#![no_main]

use coldsign::digest::Digest;
use coldsign::format::evidence::{
    Config, DOCKER_LIST, DOCKER_MANIFEST, Descriptor, Manifest, OCI_INDEX, OCI_MANIFEST,
};
use coldsign::format::{attestation, bundle, layout, signature};
use coldsign::limits;
use libfuzzer_sys::fuzz_target;

/// A config of one layer is read for this image.
const IMAGE: &str = include_str!("image.json");

fuzz_target!(|data: &[u8]| {
    for media_type in [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST] {
        let Ok(manifest) = Manifest::parse(data, &Descriptor::of(media_type, data)) else { continue };
        assert!(data.len() <= limits::MANIFEST);
        assert!(manifest.descriptors().all(|descriptor| descriptor.size <= limits::INTEGER));
        assert!(serde_json::from_slice::<serde_json::Value>(data).is_ok(), "another reader refuses it");
    }
    let image =
        IMAGE.replace("{config}", &Digest::of(data).to_string()).replace("{size}", &data.len().to_string());
    let image = image.trim_end().as_bytes();
    if let Ok(Manifest::Image(image)) = Manifest::parse(image, &Descriptor::of(OCI_MANIFEST, image))
        && let Ok(config) = Config::parse(data, &image)
    {
        assert_eq!(config.diff_ids, 1);
        config.check_fits(data, &image).expect("it was read for that image");
    }
    let _ = (layout::read_index(data), layout::read_manifest(data), bundle::read_referrer(data));
    if let Ok(layers) = signature::read_layers(data) {
        // What else may stand in a manifest of ours is found by rendering it again: that one is read as it was.
        let written = signature::render(&layers).manifest;
        assert_eq!(signature::read_layers(&written).expect("ours"), layers);
    }
    if let Ok(layers) = attestation::read_layers(data) {
        let written = attestation::render(&layers).manifest;
        assert_eq!(attestation::read_layers(&written).expect("ours"), layers);
    }
});
