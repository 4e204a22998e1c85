//! Layouts that are open, each once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::layout::Layout;
use super::source::Location;
use super::{archive_in, layout_dir};
use crate::error::Result;

/// Layouts that were opened to be read, each once.
#[derive(Default)]
pub struct Layouts {
    open: Mutex<HashMap<Location, Arc<Layout>>>,
}

impl Layouts {
    /// The layout at this location, opened now or before; `None` where the location is no layout.
    pub fn open(&self, location: &Location) -> Option<Result<Arc<Layout>>> {
        // Held while one is opened: an archive is read through once.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layout) = open.get(location) {
            return Some(Ok(layout.clone()));
        }
        let layout = match location {
            Location::Directory(path) => layout_dir::open(path),
            Location::Archive(path) => archive_in::open(path),
            Location::Registry(_) => return None,
        };
        let layout = layout.map(Arc::new);
        if let Ok(layout) = &layout {
            open.insert(location.clone(), layout.clone());
        }
        Some(layout)
    }
}
