//! In which order the operations of a bulk request are carried out: as sent, but what an operation refers to is made
//! before it; where two refer to each other, one is made without the other and linked afterwards (C132, C133).

use std::collections::{BTreeSet, HashMap};

use super::{Method, Operation};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Carry out this operation, without what refers to the names of what is made later.
    Run {
        /// Which.
        operation: usize,
        /// What it refers to that is not made yet.
        later: BTreeSet<String>,
    },
    /// Put in what this operation was made without.
    Link(usize),
}

/// The steps: each operation exactly once, each link after both its ends.
pub fn plan(operations: &[Operation]) -> Vec<Step> {
    let mut plan =
        Plan { operations, makers: makers(operations), state: vec![State::Open; operations.len()], steps: Vec::new() };
    for operation in 0..operations.len() {
        plan.visit(operation);
    }
    plan.steps
}

/// Who makes what: only a POST makes something.
fn makers(operations: &[Operation]) -> HashMap<&str, usize> {
    let makes = |operation: &Operation| operation.read.as_ref().is_ok_and(|sound| sound.method == Method::Post);
    operations
        .iter()
        .enumerate()
        .filter(|(_, operation)| makes(operation))
        .filter_map(|(index, operation)| Some((operation.bulk_id.as_deref()?, index)))
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// What it refers to is being made.
    Waiting,
    Done,
}

struct Plan<'o> {
    operations: &'o [Operation],
    makers: HashMap<&'o str, usize>,
    state: Vec<State>,
    steps: Vec<Step>,
}

impl<'o> Plan<'o> {
    /// Without recursion: a chain is as long as the request.
    fn visit(&mut self, root: usize) {
        let mut links = Vec::new();
        let mut stack = vec![root];
        while let Some(&operation) = stack.last() {
            match self.state[operation] {
                State::Done => drop(stack.pop()),
                State::Open => {
                    self.state[operation] = State::Waiting;
                    let needed = self.needed(operation);
                    // The first named is made first.
                    stack.extend(
                        needed
                            .into_iter()
                            .map(|(_, maker)| maker)
                            .filter(|maker| self.state[*maker] == State::Open)
                            .rev(),
                    );
                }
                State::Waiting => {
                    stack.pop();
                    let unmade =
                        self.needed(operation).into_iter().filter(|(_, maker)| self.state[*maker] != State::Done);
                    let later: BTreeSet<String> = unmade.map(|(name, _)| name.to_owned()).collect();
                    self.state[operation] = State::Done;
                    if !later.is_empty() {
                        links.push(Step::Link(operation));
                    }
                    self.steps.push(Step::Run { operation, later });
                }
            }
        }
        self.steps.extend(links);
    }

    fn needed(&self, operation: usize) -> Vec<(&'o str, usize)> {
        let Ok(sound) = &self.operations[operation].read else { return Vec::new() };
        sound.references().into_iter().filter_map(|name| Some((name, *self.makers.get(name)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn group(id: &str, members: &[&str]) -> Value {
        let members: Vec<Value> = members.iter().map(|member| json!({"value": format!("bulkId:{member}")})).collect();
        json!({"method": "POST", "path": "/Groups", "bulkId": id, "data": {"displayName": id, "members": members}})
    }

    fn steps(operations: &[Value]) -> Vec<Step> {
        plan(&operations.iter().map(Operation::read).collect::<Vec<_>>())
    }

    fn run(operation: usize) -> Step {
        Step::Run { operation, later: BTreeSet::new() }
    }

    #[test]
    fn c132_what_an_operation_refers_to_is_made_before_it() {
        assert_eq!(steps(&[group("a", &[]), group("b", &["a"])]), [run(0), run(1)]);
        assert_eq!(steps(&[group("a", &["b", "c"]), group("b", &["c"]), group("c", &[])]), [run(2), run(1), run(0)]);
        assert_eq!(steps(&[group("a", &["nobody"])]), [run(0)], "what nobody makes is refused when it is run");
    }

    #[test]
    fn c133_circles_are_cut_and_closed_again() {
        let later = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(
            steps(&[group("a", &["b"]), group("b", &["a"])]),
            [Step::Run { operation: 1, later: later(&["a"]) }, run(0), Step::Link(1)]
        );
        assert_eq!(steps(&[group("a", &["a"])]), [Step::Run { operation: 0, later: later(&["a"]) }, Step::Link(0)]);
    }

    #[test]
    fn sc16_a_long_chain_takes_no_stack() {
        let chain: Vec<Value> =
            (0..20_000).map(|index| group(&index.to_string(), &[&(index + 1).to_string()])).collect();
        let steps = steps(&chain);
        assert_eq!((steps.len(), &steps[0]), (20_000, &run(19_999)));
    }
}
