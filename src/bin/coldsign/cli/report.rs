//! What is done with reports.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Report {
    /// Unite the reports of shards, or write one report as another kind
    Merge(Merge),
}

/// Unite the reports of shards, or write one report as another kind
#[derive(Args, Debug)]
#[command(after_help = "\
Each of 16 jobs verifies its part of a list, the last one unites the parts:
  coldsign verify --key release.pub --from images.txt \\
      --shard 3/16 --report json:part-3.json
  coldsign report merge part-*.json --report json:v.json --report junit:v.xml

Every shard must be there, once, of the same list, keys and demands. What is
written is what one run without shards writes. The exit code is that of the
first image that failed, in the order of the list.")]
pub(crate) struct Merge {
    /// A report that verify wrote with --report json:FILE
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Write a report to json:FILE, junit:FILE or sarif:FILE; may be repeated
    #[arg(long = "report", value_name = "KIND:FILE")]
    pub(crate) reports: Vec<String>,
}
