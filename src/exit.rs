//! Exit codes: one table, rendered to `docs/exit-codes.md`.

use std::process::ExitCode;

macro_rules! exits {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $meaning:literal;)+) => {
        /// Why a program ended. The number is part of the interface and never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Exit {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Exit {
            /// Every code, in ascending order.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The number that the operating system sees.
            #[must_use]
            pub fn code(self) -> u8 {
                match self { $(Self::$name => $code,)+ }
            }

            /// What the number means, in a few words.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }
        }
    };
}

exits! {
    /// Everything asked for was done, for the whole input.
    Done = 0, "done, for the whole input";
    /// The surroundings were at fault: home, disk, permissions, an output that exists.
    Environment = 1, "environment or I/O: home, output exists, no room";
    /// The command line was at fault.
    Usage = 2, "usage: zero inputs, flags that contradict";
    /// cosign's 10.
    NoSignatures = 10, "no signatures found";
    /// cosign's 11.
    TagAbsent = 11, "image or tag not found";
    /// cosign's 12.
    NoneMatched = 12, "no signature matched";
    /// The bytes are not a strict archive or layout.
    Archive = 20, "archive or layout malformed";
    /// The bytes are not strict JSON or not our document.
    Document = 21, "JSON or document malformed";
    /// A file of another kind than the command takes.
    OtherKind = 22, "another kind of file";
    /// Parts that must agree do not.
    Inconsistent = 23, "inconsistent: payload, evidence, statement or signature";
    /// More than a limit allows.
    OverLimit = 24, "over a limit";
    /// A key or a policy does not allow it.
    NotAllowed = 30, "not allowed: key uses, policy";
    /// The person said no.
    Refused = 34, "refused by the operator";
    /// Three wrong answers to the words.
    Challenge = 35, "challenge failed: the words do not belong to this request";
    /// `--approve` names another request.
    OtherRequest = 36, "approval names another request";
    /// Too few distinct keys.
    Threshold = 38, "threshold of keys not met";
    /// No key of that name.
    NoSuchKey = 40, "no such key";
    /// The passphrase does not open the key.
    Passphrase = 41, "wrong passphrase";
    /// The key file's checksum or structure is broken.
    KeyDamaged = 42, "key file damaged";
    /// A key format, parameter or type that is not supported.
    KeyUnsupported = 43, "key format, parameters or type not supported";
    /// A known answer came out wrong.
    SelfTest = 44, "self-test failed";
    /// Nothing reached the destination, or the registry gave nothing.
    NothingPushed = 50, "registry refused or could not be reached; nothing pushed";
    /// Some signatures reached the destination, or may have; some did not.
    Partial = 51, "partly pushed, or an attempt was made and not all of it stands";
    /// What was read changed while it was used.
    Changed = 52, "changed under us";
    /// A bundle that was given as a file cannot be read, or is of another kind.
    Bundle = 60, "bundle cannot be read, or is of another kind";
    /// A log entry is not what it must be, or one is demanded and absent, or the log that was asked for one gave none.
    Log = 61, "log entry invalid, or demanded and absent, or not to be had";
    /// A timestamp is not what it must be, or one is demanded and absent, or the authority that was asked gave none.
    Token = 62, "timestamp invalid, or demanded and absent, or not to be had";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
