//! The contract as Rust types, generated from `wit/`.

#![expect(missing_docs, reason = "generated; the contract's own documentation is in wit/")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    imports: { default: async | trappable },
    exports: { default: async },
    with: { "tidegate:plugin/rows.rows": crate::capability::rows::GuestRows, "tidegate:plugin/transaction.transaction": crate::capability::transaction::GuestTransaction, "tidegate:plugin/secret.secret": crate::capability::secret::GuestSecret, "tidegate:plugin/vault.writer": crate::capability::vault::GuestWriter, "tidegate:plugin/vault.reader": crate::capability::vault::GuestReader },
});
