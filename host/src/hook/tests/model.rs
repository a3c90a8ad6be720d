//! What a chain has to do, one hook after another and without a clock.

use super::chain::Does;
use super::chain::Script;
use super::chain::Shown;
use crate::config::HookMode;
use crate::config::OnFailure;
use crate::hook::Kind;
use crate::hook::Stage;

/// Why something was refused, without the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Said,
    Failed,
    Open,
}

/// What becomes of one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    /// Who is asked, when, and about what, in order.
    pub(super) asked: Vec<(usize, Stage, Vec<usize>)>,
    /// The same for those whose verdict nobody obeys.
    pub(super) audited: Vec<(usize, Stage, Vec<usize>)>,
    /// Whose changes were made.
    pub(super) changes: Vec<usize>,
    /// Who refused.
    pub(super) refused: Option<(usize, Cause)>,
    /// Who answered.
    pub(super) answered: Option<usize>,
}

enum Ends {
    Passed,
    Changed,
    Answered,
    Refused(Cause),
}

impl Expected {
    /// Runs the subject through the hooks: validators, mutators, validators again when something changed, providers.
    pub(super) fn of(scripts: &[Script]) -> Self {
        let mut order: Vec<usize> = (0..scripts.len()).collect();
        order.sort_by_key(|at| (scripts[*at].priority, scripts[*at].plugin, *at));
        let mut expected = Self::default();
        expected.pass(scripts, &order, Kind::Validate, Stage::BeforeChanges);
        expected.pass(scripts, &order, Kind::Mutate, Stage::BeforeChanges);
        if !expected.changes.is_empty() {
            expected.pass(scripts, &order, Kind::Validate, Stage::AfterChanges);
        }
        expected.pass(scripts, &order, Kind::Provide, Stage::AfterChanges);
        expected
    }

    fn pass(&mut self, scripts: &[Script], order: &[usize], kind: Kind, stage: Stage) {
        if self.refused.is_some() {
            return;
        }
        for at in order.iter().copied().filter(|at| scripts[*at].kind == kind) {
            // Validators are all asked, whatever the others say; the rest only as long as nothing is decided.
            let decided = self.refused.is_some() || self.answered.is_some();
            let sees = match scripts[at].shown {
                Shown::Always => true,
                Shown::OnceChanged => !self.changes.is_empty(),
                Shown::Never => false,
            };
            if !sees || (decided && kind != Kind::Validate) {
                continue;
            }
            match self.ask(&scripts[at], at, stage) {
                Ends::Refused(cause) => self.refused = self.refused.or(Some((at, cause))),
                Ends::Changed => self.changes.push(at),
                Ends::Answered => self.answered = Some(at),
                Ends::Passed => {}
            }
        }
    }

    fn ask(&mut self, script: &Script, at: usize, stage: Stage) -> Ends {
        let question = (at, stage, self.changes.clone());
        match script.mode {
            HookMode::Off => return Ends::Passed,
            HookMode::Audit if script.open => return Ends::Passed,
            HookMode::Audit => {
                self.audited.push(question);
                return Ends::Passed;
            }
            HookMode::Enforce => {}
        }
        let unless_skipped = |cause| if script.on_failure == OnFailure::Skip { Ends::Passed } else { Ends::Refused(cause) };
        if script.open {
            return unless_skipped(Cause::Open);
        }
        self.asked.push(question);
        match (script.does, script.kind) {
            (Does::Pass, _) => Ends::Passed,
            (Does::Refuse, Kind::Validate | Kind::Mutate) => Ends::Refused(Cause::Said),
            (Does::Change, Kind::Mutate) => Ends::Changed,
            (Does::Answer, Kind::Provide) => Ends::Answered,
            _ => unless_skipped(Cause::Failed),
        }
    }
}
