//! Capabilities of Linux (`capabilities(7)`), by which parts of root's rights are given without the rest.

use std::io;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities,
};

/// Gives up all capabilities but these, of which those are kept that there are; they are the result. `change` changes
/// the user meanwhile.
pub(super) fn keep(
    kept: CapabilitySet,
    change: impl FnOnce() -> io::Result<()>,
) -> io::Result<CapabilitySet> {
    let kept = capabilities(None)?.permitted & kept;
    empty_bounding_set()?;
    match clear_ambient_capability_set() {
        // Linux before 4.3 has no such set.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    set_keep_capabilities(!kept.is_empty())?;
    change()?;
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )?;
    set_keep_capabilities(false)?;
    Ok(kept)
}

/// Has no program that is executed ever get any. Without the right to say so, the kernel's promise of no new
/// privileges does the same.
fn empty_bounding_set() -> io::Result<()> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // There are no more in this kernel, or it may not.
            Err(Errno::INVAL | Errno::PERM) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Capabilities are a thread's own, so those of the other tests stay.
    #[test]
    fn only_what_is_asked_for_is_kept_and_no_more_than_there_was() {
        let tried = std::thread::spawn(|| {
            let had = capabilities(None).expect("they can be read").permitted;
            let wanted = CapabilitySet::NET_ADMIN | CapabilitySet::DAC_OVERRIDE;
            let kept = keep(wanted, || Ok(())).expect("they can be given up");
            assert_eq!(kept, had & wanted);
            let now = capabilities(None).expect("they can be read");
            assert_eq!((now.effective, now.permitted), (kept, kept));
            assert!(now.inheritable.is_empty());
            assert_eq!(keep(CapabilitySet::all(), || Ok(())).expect("it keeps what there is"), kept);
            assert!(keep(CapabilitySet::empty(), || Ok(())).expect("the rest too").is_empty());
            assert!(keep(CapabilitySet::all(), || Ok(())).expect("nothing comes back").is_empty());
        });
        tried.join().expect("it holds");
    }
}
