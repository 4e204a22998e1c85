//! DSSE envelopes and their PAE.
