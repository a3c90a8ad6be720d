//! The chain against a small reference model.
