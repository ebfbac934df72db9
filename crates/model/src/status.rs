//! The App's closed vocabularies. What Xero calls the same things is mapped in `sync`.

/// Declares an enum whose values are stored, served and read by one upper-case name each.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? } default $default:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// The name in the database and the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of that name, if there is one.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl Default for $name {
            fn default() -> Self { Self::$default }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.as_str()) }
        }
    };
}

vocabulary! {
    /// Whether a customer may be used on new documents.
    CustomerStatus {
        /// In use.
        Active = "ACTIVE",
        /// Archived in Xero; the API cannot bring it back.
        Archived = "ARCHIVED",
    } default Active
}

vocabulary! {
    /// The App's status of an invoice, bill or credit.
    DocumentStatus {
        /// Not yet approved.
        Draft = "DRAFT",
        /// Sent: submitted or authorised in Xero.
        Sent = "SENT",
        /// Sent and past its due date, as the App says; Xero knows it as authorised.
        Overdue = "OVERDUE",
        /// Settled; only ever through payments or credits.
        Paid = "PAID",
        /// Voided or deleted.
        Cancelled = "CANCELLED",
        /// A Xero status that this version does not know; `xero_status` holds it.
        Other = "OTHER",
    } default Draft
}

vocabulary! {
    /// The status of a payment or a bank transaction.
    PaymentStatus {
        /// In the books.
        Completed = "COMPLETED",
        /// Reversed.
        Cancelled = "CANCELLED",
        /// A Xero status that this version does not know; `xero_status` holds it.
        Other = "OTHER",
    } default Completed
}

vocabulary! {
    /// How a payment was made, after Xero's payment type.
    PaymentMethod {
        /// Against an invoice or bill, through an account.
        BankTransfer = "BANK_TRANSFER",
        /// A refund of a credit note.
        Credit = "CREDIT",
        /// A refund of an overpayment.
        Overpayment = "OVERPAYMENT",
        /// A refund of a prepayment.
        Prepayment = "PREPAYMENT",
        /// Anything else.
        Other = "OTHER",
    } default BankTransfer
}

vocabulary! {
    /// Whether line amounts contain tax.
    LineAmountTypes {
        /// Tax comes on top.
        Exclusive = "EXCLUSIVE",
        /// Tax is contained.
        Inclusive = "INCLUSIVE",
        /// There is no tax.
        NoTax = "NO_TAX",
    } default Exclusive
}
