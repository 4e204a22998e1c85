//! The connected stations, without the network: reading images, writing requests, importing responses.

pub mod annotations;
pub mod archive_in;
pub mod attach;
pub mod attached;
pub mod attest;
pub mod below;
pub mod clean;
pub mod copy;
pub mod download;
pub mod entries;
pub mod export;
pub mod flow;
pub mod gather;
pub mod import;
pub mod layers;
pub mod layout;
pub mod layout_dir;
pub mod list;
pub mod merge;
pub mod parts;
pub mod places;
pub mod push;
pub mod referrers;
pub mod source;
pub mod store;
pub mod tree;
