//! Every interleaving of a few readers and writers over a database that is one set of numbers: none shows what was before an
//! acknowledged write. The same search finds the fault in protocols that are wrong.

use std::collections::BTreeSet;
use std::time::Instant;

use super::*;

/// How long an unknown outcome takes to settle, in the model's own time.
const SETTLES_AFTER: Duration = Duration::from_secs(10);

/// One step of an actor.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A reader tells what the view depends on and takes a stamp.
    Stamp,
    /// It tells the dependencies only.
    Tell,
    /// It takes the stamp of what it told.
    StampTold,
    /// The database answers it.
    Read,
    /// It keeps the answer.
    Keep,
    /// A writer tells what it will touch.
    TellTouched,
    /// It begins.
    Begin,
    /// Both at once.
    TellAndBegin,
    /// Its write takes effect.
    Commit,
    /// Its guard ends.
    End(Outcome),
    /// The client hears that it is done.
    Acknowledge,
    /// A change of the schema takes effect: the view shows the second table from now on, or a trigger writes there.
    Change,
    /// Time passes until nothing is unsettled.
    Wait,
}

/// Which table the view shows and which one the trigger writes, as the database has it.
#[derive(Clone, Copy)]
struct Schema {
    shown: usize,
    writes_second_too: bool,
}

/// A write is a number that is added to one of two tables.
struct World {
    versions: Arc<Versions>,
    ids: Vec<u32>,
    now: Instant,
    tables: [BTreeSet<usize>; 2],
    schema: Schema,
    /// The host's picture of it, told again after each change.
    known: Option<(u64, Schema)>,
    acknowledged: [BTreeSet<usize>; 2],
    schema_acknowledged: bool,
    kept: Option<(Stamp, BTreeSet<usize>, usize)>,
    actors: Vec<Actor>,
}

#[derive(Default)]
struct Actor {
    told: Option<Dependencies>,
    stamp: Option<Stamp>,
    read: Option<(BTreeSet<usize>, usize)>,
    touched: Touched,
    write: Option<u64>,
    wrote: [bool; 2],
}

/// Which change of the schema the script has in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changing {
    View,
    Trigger,
}

impl World {
    fn new(actors: usize) -> Self {
        let versions = Versions::new("main", SETTLES_AFTER);
        let ids = versions.intern(["a.first", "a.second"]).unwrap();
        Self {
            versions,
            ids,
            now: Instant::now(),
            tables: Default::default(),
            schema: Schema { shown: 0, writes_second_too: false },
            known: None,
            acknowledged: Default::default(),
            schema_acknowledged: false,
            kept: None,
            actors: (0..actors).map(|_| Actor::default()).collect(),
        }
    }

    /// The picture of the schema that the host goes by; none when it cannot have one.
    fn picture(&mut self) -> Option<(u64, Schema)> {
        let generation = self.versions.schema()?;
        match self.known {
            Some(known) if known.0 == generation => {}
            _ => self.known = Some((generation, self.schema)),
        }
        self.known
    }

    fn dependencies(&mut self) -> Option<Dependencies> {
        let (generation, schema) = self.picture()?;
        Some(self.versions.dependencies(generation, &BTreeSet::from([self.ids[schema.shown]])))
    }

    fn touched(&mut self) -> Touched {
        match self.picture() {
            Some((generation, schema)) => {
                let second = schema.writes_second_too.then(|| self.ids[1]);
                Touched::tables(generation, second.into_iter().chain([self.ids[0]]).collect())
            }
            None => Touched::everything(),
        }
    }

    fn run(&mut self, who: usize, step: Step, changing: Option<Changing>) {
        match step {
            Step::Stamp => {
                self.run(who, Step::Tell, changing);
                self.run(who, Step::StampTold, changing);
            }
            Step::Tell => self.actors[who].told = self.dependencies(),
            Step::StampTold => {
                let now = self.now;
                let told = self.actors[who].told.clone();
                self.actors[who].stamp = told.and_then(|told| self.versions.stamp_at(&told, || now));
            }
            Step::Read => self.actors[who].read = Some((self.tables[self.schema.shown].clone(), self.schema.shown)),
            Step::Keep => {
                if let (Some(stamp), Some((rows, table))) = (self.actors[who].stamp.take(), self.actors[who].read.take()) {
                    self.kept = Some((stamp, rows, table));
                }
            }
            Step::TellAndBegin => {
                self.run(who, Step::TellTouched, changing);
                self.run(who, Step::Begin, changing);
            }
            Step::TellTouched => self.actors[who].touched = self.touched(),
            Step::Begin => {
                let touched = self.actors[who].touched.clone();
                self.actors[who].write = Some(self.versions.start(touched, self.now));
            }
            Step::Commit => {
                self.actors[who].wrote = [true, self.schema.writes_second_too];
                for (table, wrote) in self.tables.iter_mut().zip(self.actors[who].wrote) {
                    table.extend(wrote.then_some(who));
                }
            }
            Step::Change => match changing {
                Some(Changing::View) => self.schema.shown = 1,
                Some(Changing::Trigger) => self.schema.writes_second_too = true,
                None => {}
            },
            Step::End(outcome) => {
                if let Some(id) = self.actors[who].write.take() {
                    self.versions.finish(id, outcome, self.now);
                }
            }
            Step::Acknowledge => {
                let wrote = self.actors[who].wrote;
                for (table, wrote) in self.acknowledged.iter_mut().zip(wrote) {
                    table.extend(wrote.then_some(who));
                }
                self.schema_acknowledged |= changing == Some(Changing::View) && self.schema.shown == 1 && wrote == [false, false];
            }
            Step::Wait => self.now += SETTLES_AFTER,
        }
    }

    /// Asks for the view now; whether what is shown lacks something acknowledged.
    fn shows_stale(&mut self) -> bool {
        let now = self.now;
        let Some(current) = self.dependencies().and_then(|told| self.versions.stamp_at(&told, || now)) else { return false };
        match &self.kept {
            Some((stamp, rows, table)) if *stamp == current => {
                !rows.is_superset(&self.acknowledged[*table]) || (self.schema_acknowledged && *table != 1)
            }
            _ => false,
        }
    }
}

/// Actors whose steps are interleaved.
struct Program<'s> {
    scripts: Vec<&'s [Step]>,
    /// What the last of them changes about the schema.
    changing: Option<Changing>,
    /// Whether the view shows the second table from the start.
    shows_second: bool,
}

impl Program<'_> {
    /// Runs every interleaving; how many there are, and how many show something stale.
    fn search(&self) -> (usize, usize) {
        let mut left: Vec<usize> = self.scripts.iter().map(|script| script.len()).collect();
        let mut found = (0, 0);
        self.walk(&mut left, &mut Vec::new(), &mut found);
        found
    }

    fn walk(&self, left: &mut [usize], order: &mut Vec<usize>, found: &mut (usize, usize)) {
        if left.iter().all(|left| *left == 0) {
            found.0 += 1;
            found.1 += usize::from(self.goes_wrong(order));
            return;
        }
        for who in 0..left.len() {
            if left[who] > 0 {
                left[who] -= 1;
                order.push(who);
                self.walk(left, order, found);
                order.pop();
                left[who] += 1;
            }
        }
    }

    fn goes_wrong(&self, order: &[usize]) -> bool {
        let mut world = World::new(self.scripts.len());
        world.schema.shown = usize::from(self.shows_second);
        if self.changing.is_some() {
            world.actors[self.scripts.len() - 1].touched = Touched::schema();
        }
        let mut at = vec![0; self.scripts.len()];
        order.iter().any(|who| {
            world.run(*who, self.scripts[*who][at[*who]], self.changing);
            at[*who] += 1;
            world.shows_stale()
        })
    }
}

/// As [`Program::search`], of actors that leave the schema alone.
fn search(scripts: &[&[Step]]) -> (usize, usize) {
    Program { scripts: scripts.to_vec(), changing: None, shows_second: false }.search()
}

const READER: &[Step] = &[Step::Stamp, Step::Read, Step::Keep];
const SLOW_READER: &[Step] = &[Step::Tell, Step::StampTold, Step::Read, Step::Keep];
const WRITER: &[Step] = &[Step::TellTouched, Step::Begin, Step::Commit, Step::End(Outcome::Settled), Step::Acknowledge];
const QUICK_WRITER: &[Step] = &[Step::TellAndBegin, Step::Commit, Step::End(Outcome::Settled), Step::Acknowledge];
const CHANGER: &[Step] = &[Step::Begin, Step::Change, Step::End(Outcome::Settled), Step::Acknowledge];
const UNSURE: &[Step] = &[Step::TellTouched, Step::Begin, Step::End(Outcome::Unknown), Step::Commit, Step::Wait, Step::Acknowledge];
const FAILED: &[Step] = &[Step::TellTouched, Step::Begin, Step::End(Outcome::Settled)];

#[test]
fn no_interleaving_of_readers_and_writers_shows_what_was_before_an_acknowledged_write() {
    let programs: [&[&[Step]]; 4] =
        [&[READER, READER, WRITER], &[READER, QUICK_WRITER, QUICK_WRITER], &[READER, UNSURE, FAILED], &[SLOW_READER, WRITER, FAILED]];
    let mut all = 0;
    for scripts in programs {
        let (count, stale) = search(scripts);
        assert_eq!(stale, 0, "of {count} interleavings of {scripts:?}");
        all += count;
    }
    assert!(all > 50_000, "{all}");
}

#[test]
fn no_interleaving_with_a_change_of_the_schema_does_either() {
    for (others, changing, shows_second) in
        [([SLOW_READER, QUICK_WRITER], Changing::View, false), ([READER, WRITER], Changing::Trigger, true)]
    {
        let scripts = others.into_iter().chain([CHANGER]).collect();
        let (count, stale) = Program { scripts, changing: Some(changing), shows_second }.search();
        assert_eq!(stale, 0, "of {count} interleavings");
        assert!(count > 25_000, "{count}");
    }
}

#[test]
fn the_search_finds_the_fault_of_a_wrong_protocol() {
    let late_stamp: &[Step] = &[Step::Read, Step::Stamp, Step::Keep];
    assert!(search(&[late_stamp, WRITER]).1 > 0);
    let late_end: &[Step] = &[Step::TellTouched, Step::Commit, Step::Acknowledge, Step::Begin, Step::End(Outcome::Settled)];
    assert!(search(&[READER, late_end]).1 > 0);
    let early_end: &[Step] = &[Step::TellTouched, Step::Begin, Step::End(Outcome::Settled), Step::Commit, Step::Acknowledge];
    assert!(search(&[READER, early_end]).1 > 0);
    let no_settling: &[Step] = &[Step::TellTouched, Step::Begin, Step::End(Outcome::Unknown), Step::Wait, Step::Commit, Step::Acknowledge];
    assert!(search(&[READER, no_settling]).1 > 0);
}
