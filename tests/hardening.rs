//! A process that was told to keep its memory to itself does, and still works. Alone in its file: it changes the
//! process it runs in.

use coldsign::secret::{Passphrase, harden_process};
use coldsign::selftest::own_digest;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;

#[test]
fn no_core_no_dump_and_still_at_work() {
    let before = own_digest().unwrap();
    harden_process().unwrap();
    let core = rustix::process::getrlimit(rustix::process::Resource::Core);
    assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
    #[cfg(target_os = "linux")]
    assert_eq!(rustix::process::dumpable_behavior().unwrap(), rustix::process::DumpableBehavior::NotDumpable);
    assert_eq!(own_digest().unwrap(), before);
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"pass\n").unwrap();
    drop(writer);
    let fd = u32::try_from(reader.as_raw_fd()).unwrap();
    assert_eq!(Passphrase::read_fd(fd).map(|pass| pass.expose().to_vec()).unwrap(), b"pass");
}
