//! What is done how often: drawn from a seed, so that some days are full of payments and others of nothing but edits of
//! the same field on both sides ("swarm").

use super::dice::Dice;

macro_rules! deeds {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $deed:ident = $weight:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $deed,)* }

        impl $name {
            /// Each with how often it is done on an ordinary day.
            pub const ALL: &'static [(Self, u64)] = &[$((Self::$deed, $weight),)*];
        }
    };
}

deeds! {
    /// What the App does.
    AppDeed {
        /// A new customer.
        NewCustomer = 60,
        /// A text of a customer.
        Customer = 160,
        /// A telephone number or an address, also taken away.
        Slot = 120,
        /// A new invoice or bill with its lines.
        NewInvoice = 80,
        /// Number, reference, due date or customer of an invoice.
        Header = 120,
        /// Lines of an invoice.
        Lines = 140,
        /// Approved, cancelled, or paid by status, which cannot be.
        Status = 70,
        /// A payment.
        Pay = 80,
        /// A payment taken back.
        Unpay = 30,
        /// A new bank transaction.
        NewBank = 40,
        /// A bank transaction's reference, or its end.
        Bank = 50,
        /// Lines of a bank transaction.
        BankLines = 20,
        /// A row deleted.
        Delete = 10,
        /// A customer archived.
        Archive = 20,
        /// A customer taken out of the archive.
        Restore = 4,
        /// A row written with the values that it has.
        Same = 20,
        /// Spaces only.
        Spaces = 8,
        /// Back to the value before.
        Back = 25,
        /// Odd texts and figures.
        Odd = 25,
        /// Many lines.
        Long = 5,
        /// A document in another currency.
        Foreign = 15,
        /// One statement that changes many rows.
        Sweep = 0,
    }
}

deeds! {
    /// What somebody in Xero does.
    XeroDeed {
        /// A new contact.
        NewContact = 50,
        /// A text of a contact.
        Contact = 170,
        /// A telephone number or an address.
        Slot = 120,
        /// A new invoice or bill.
        NewInvoice = 80,
        /// Number, reference, due date or contact of an invoice.
        Header = 120,
        /// Lines.
        Lines = 140,
        /// Approved, voided, deleted.
        Status = 60,
        /// A payment, of all or a part.
        Pay = 80,
        /// A payment deleted.
        Unpay = 30,
        /// A new bank transaction.
        NewBank = 40,
        /// A bank transaction's reference, or its end.
        Bank = 60,
        /// A contact archived, or taken out of the archive.
        Archive = 20,
        /// Two contacts made one.
        Merge = 20,
        /// A payment or a bank transaction matched to the bank's statement, or not any more.
        Reconcile = 10,
        /// An edit that moves no date.
        Quiet = 10,
        /// Back to the value before.
        Back = 20,
        /// A record saved as it is.
        Same = 10,
        /// Odd texts and figures.
        Odd = 20,
        /// Many lines.
        Long = 4,
        /// A document in another currency.
        Foreign = 12,
        /// Lock dates set, or lifted.
        Lock = 0,
        /// An account archived.
        Account = 0,
        /// A currency no longer used.
        Currency = 0,
    }
}

deeds! {
    /// What both do in one step.
    BothDeed {
        /// The same field, each its own value.
        SameField = 30,
        /// Two fields of one record.
        TwoFields = 30,
        /// The same field, the same value.
        SameValue = 20,
        /// One edits what the other takes away.
        EditAndRemove = 10,
        /// Both pay the same invoice.
        Pay = 10,
    }
}

/// The mix of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How often each deed of the App is chosen.
    pub app: Vec<(AppDeed, u64)>,
    /// How often each deed in Xero is chosen.
    pub xero: Vec<(XeroDeed, u64)>,
    /// How often each deed of both is chosen.
    pub both: Vec<(BothDeed, u64)>,
    /// How many steps in a thousand are made on both sides.
    pub both_per_mille: u64,
    /// How many of the newest records most work is done on.
    pub crowd: u64,
    /// Most lines of a long document.
    pub lines: u64,
    /// Fields that a person wants to be asked about: for the engine's policies.
    pub asks: Vec<&'static str>,
    /// The App's organisation; without it the first.
    pub org: Option<i64>,
}

impl Options {
    /// An ordinary day with the crowd of an even or odd seed.
    pub fn of_day(seed: u64) -> Self {
        Self {
            app: AppDeed::ALL.to_vec(),
            xero: XeroDeed::ALL.to_vec(),
            both: BothDeed::ALL.to_vec(),
            both_per_mille: 40,
            crowd: if seed.is_multiple_of(2) { 4 } else { 15 },
            lines: 60,
            asks: if seed.is_multiple_of(3) { vec!["email", "reference", "phones"] } else { Vec::new() },
            org: None,
        }
    }

    /// A mix drawn from dice: some deeds often, some never.
    pub fn drawn(dice: u64) -> Self {
        let dice = &mut Dice::new(dice);
        let mut options = Self::of_day(dice.number());
        options.app = weighed(dice, AppDeed::ALL);
        options.xero = weighed(dice, XeroDeed::ALL);
        options.both = weighed(dice, BothDeed::ALL);
        options.both_per_mille = dice.of(&[0, 40, 40, 150, 400]);
        options.crowd = dice.of(&[1, 2, 4, 15, 100]);
        options.lines = dice.of(&[10, 60, 60, 60, 60, 60, 60, 1_000]);
        options.asks =
            dice.of::<&[&str]>(&[&[], &[], &["email", "reference", "phones"], &["name", "lines", "number"]]).to_vec();
        // What stands in the way of everybody for long is done in some seeds only.
        for (deed, rare) in [(XeroDeed::Lock, 8), (XeroDeed::Account, 6), (XeroDeed::Currency, 6)] {
            if dice.one_in(4) {
                options.set_xero(deed, rare);
            }
        }
        if dice.one_in(8) {
            options.set_app(AppDeed::Sweep, 4);
        }
        options
    }

    /// The same with another weight of one deed of the App.
    pub fn set_app(&mut self, deed: AppDeed, weight: u64) {
        self.app.retain(|(other, _)| *other != deed);
        self.app.push((deed, weight));
    }

    /// The same with another weight of one deed in Xero.
    pub fn set_xero(&mut self, deed: XeroDeed, weight: u64) {
        self.xero.retain(|(other, _)| *other != deed);
        self.xero.push((deed, weight));
    }
}

fn weighed<T: Copy>(dice: &mut Dice, ordinary: &[(T, u64)]) -> Vec<(T, u64)> {
    let all: Vec<(T, u64)> =
        ordinary.iter().map(|(deed, weight)| (*deed, weight * dice.of(&[0, 1, 1, 1, 4]))).collect();
    if all.iter().all(|(_, weight)| *weight == 0) { ordinary.to_vec() } else { all }
}

/// One of the deeds, each as often as its weight says.
pub(super) fn chosen<T: Copy>(dice: &mut Dice, deeds: &[(T, u64)]) -> Option<T> {
    let sum: u64 = deeds.iter().map(|(_, weight)| weight).sum();
    let mut at = dice.below(sum);
    for (deed, weight) in deeds {
        if at < *weight {
            return Some(*deed);
        }
        at -= weight;
    }
    None
}
