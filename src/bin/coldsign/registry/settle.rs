//! Two writers of one tag: how long to wait until the other one has written as well.

/// What is known of the writes of a run.
#[derive(Default)]
pub(crate) struct Settling {}

impl Settling {
    /// Waits until a writer who read before our last PUT has written as well.
    pub(crate) fn wait(&self) {
        unimplemented!()
    }
}
