//! Fault rules: the nth call of a kind goes wrong in a chosen way.

use crate::http::Request;

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultAction {
    /// Refused with an empty answer of this status before anything happens.
    StatusBefore(u16),
    /// Carried out, but answered with an empty page of this status (500 after commit).
    StatusAfter(u16),
    /// Carried out, but the answer never arrives.
    LoseAnswer,
}

/// A rule: of the calls that match, the `nth` goes wrong, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// HTTP method; empty matches every method.
    pub method: String,
    /// A part of the path; empty matches every path.
    pub path_contains: String,
    /// Which matching call goes wrong, counted from 1 since the rule was added.
    pub nth: u64,
    /// How.
    pub action: FaultAction,
}

/// The rules that have not fired yet.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<(Fault, u64)>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.rules.push((fault, 0));
    }

    pub(crate) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.rules).len()
    }

    /// Counts the call in every rule that matches; the first that is due fires and is gone.
    pub(crate) fn next(&mut self, request: &Request) -> Option<FaultAction> {
        let mut due = None;
        for (index, (fault, seen)) in self.rules.iter_mut().enumerate() {
            let is_method = fault.method.is_empty() || fault.method.eq_ignore_ascii_case(&request.method);
            if is_method && request.path.contains(&fault.path_contains) {
                *seen += 1;
                if *seen >= fault.nth && due.is_none() {
                    due = Some(index);
                }
            }
        }
        due.map(|index| self.rules.remove(index).0.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nth_matching_call_fails() {
        let mut faults = Faults::default();
        let action = FaultAction::LoseAnswer;
        faults.add(Fault { method: "PUT".into(), path_contains: "Invoices".into(), nth: 2, action });
        let put = Request::new("PUT", "/api.xro/2.0/Invoices");
        assert_eq!(faults.next(&put), None);
        assert_eq!(faults.next(&Request::new("GET", "/api.xro/2.0/Invoices")), None);
        assert_eq!(faults.next(&put), Some(FaultAction::LoseAnswer));
        assert_eq!(faults.next(&put), None);
    }
}
