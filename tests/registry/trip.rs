//! Images in a registry, a station beside it, and the response that is to be imported.

use std::thread;

use crate::registry::{Manners, Registry};
use crate::station::Station;
use crate::support::{Outcome, Run};

/// A registry with images `app0:1`, `app1:1`…, and a station with `request.tar` and `response.tar` for all of them,
/// signed by `release` in both forms.
pub(crate) struct Trip {
    pub(crate) registry: Registry,
    pub(crate) station: Station,
    /// Their digests.
    pub(crate) images: Vec<String>,
}

impl Trip {
    /// One image, a registry with the referrers API.
    pub(crate) fn new() -> Self {
        Self::with(Manners::default(), 1)
    }

    pub(crate) fn with(manners: Manners, images: usize) -> Self {
        let trip = Self::unsigned(Registry::with(manners), images);
        trip.export("request.tar").expect(0);
        trip.station.sign("request.tar", &["--key", "release"], "response.tar");
        trip.registry.asked();
        trip
    }

    pub(crate) fn unsigned(registry: Registry, images: usize) -> Self {
        let images = (0..images).map(|n| registry.image(&format!("app{n}"), "1", &format!("image {n}")));
        let images = images.collect();
        Self { registry, station: Station::new(), images }
    }

    /// What signs the image is put beside it.
    pub(crate) fn imported(attach: &str) -> Self {
        let trip = Self::new();
        trip.import(&["--attach", attach]).expect(0);
        trip.registry.asked();
        trip
    }

    /// `HOST/appN:1`.
    pub(crate) fn name(&self, image: usize) -> String {
        self.registry.at(&format!("app{image}:1"))
    }

    /// `export` of all images.
    pub(crate) fn export(&self, output: &str) -> Run<'_> {
        let names = (0..self.images.len()).map(|image| self.name(image));
        self.station.coldsign().args(["export", "-o", output]).args(names)
    }

    /// `import` to where the request says.
    pub(crate) fn import(&self, more: &[&str]) -> Run<'_> {
        self.station.coldsign().args(["import", "response.tar", "--key", "release.pub"]).args(more)
    }

    /// `verify` of the first image.
    pub(crate) fn verify(&self, more: &[&str]) -> Run<'_> {
        self.station.coldsign().args(["verify", "--key", "release.pub", &self.name(0)]).args(more)
    }

    /// The `.sig` layers of an image.
    pub(crate) fn sigs(&self, image: usize) -> usize {
        self.registry.sigs(&format!("app{image}"), &self.images[image])
    }

    /// The referrers of an image.
    pub(crate) fn bundles(&self, image: usize) -> usize {
        self.registry.referrers(&format!("app{image}"), &self.images[image]).len()
    }
}

impl Outcome {
    /// Fails unless `error[ID]` stands on the screen.
    #[track_caller]
    pub(crate) fn error(&self, id: &str) -> &Self {
        self.says(&format!("error[{id}]: "))
    }

    /// Fails unless `warning[ID]` stands on the screen.
    #[track_caller]
    pub(crate) fn warning(&self, id: &str) -> &Self {
        self.says(&format!("warning[{id}]: "))
    }

    /// Fails unless a text stands on the screen.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr_text().contains(text), "stderr with this wanted: {text}\n{self}");
        self
    }
}

/// Runs every scenario beside the others, for most of their time goes into waiting, and names those that failed.
pub(crate) fn together<S: Send + std::fmt::Debug>(
    scenarios: impl IntoIterator<Item = S>,
    run: impl Fn(&S) + Sync,
) {
    let run = &run;
    let failed: Vec<String> = thread::scope(|scope| {
        let running = scenarios.into_iter().map(|scenario| {
            let name = format!("{scenario:?}");
            (name, scope.spawn(move || run(&scenario)))
        });
        let running: Vec<_> = running.collect();
        running.into_iter().filter_map(|(name, thread)| thread.join().err().map(|_| name)).collect()
    });
    assert!(failed.is_empty(), "failed: {failed:#?}");
}
