//! A resolved filter to a WHERE clause: what the database can decide exactly, and what is left for the scim crate.
//!
//! The clause never loses a match. What it cannot decide stays in [`Plan::residual`] and is evaluated row by row, so
//! the answer is exact either way (C55). Every value is bound; the text is made of constants only (C56, IJ-01).

use chrono::{DateTime, SubsecRound as _, Utc};
use scim::ScimType;
use scim::filter::{Check, Operand, Operator, Resolved, Test};
use scim::schema::Kind;
use surrealdb::types::{RecordId, SurrealValue, Variables};

use super::list::Table;
use super::uuid;
use crate::domain::{Error, id};

/// How a filter is carried out.
pub(super) struct Plan<'f, 's> {
    /// The only records that can match, where the filter names them.
    pub(super) records: Option<Vec<RecordId>>,
    /// What the database decides; empty for everything.
    pub(super) clause: String,
    /// The values in the clause.
    pub(super) variables: Variables,
    /// What must be evaluated on each row besides. Nothing: the clause is exact.
    pub(super) residual: Vec<&'f Resolved<'s>>,
}

/// The ids that a filter looks for among the members of groups; the store looks them up before planning.
pub(super) fn member_ids<'f>(filter: &'f Resolved<'_>, found: &mut Vec<&'f str>) {
    match filter {
        Resolved::And(parts) | Resolved::Or(parts) => parts.iter().for_each(|part| member_ids(part, found)),
        Resolved::Not(inner) => member_ids(inner, found),
        Resolved::Element(target, inner) if target.attribute.name == "members" => member_ids(inner, found),
        Resolved::Test(Test { check: Check::Compare(Operator::Eq, Operand::Text(id)), .. }) => found.push(id),
        Resolved::Test(_) | Resolved::Element(..) | Resolved::Constant(_) => {}
    }
}

/// The groups that a member is in, by the member's id as the filter spells it.
pub(super) type GroupsOfMembers = std::collections::HashMap<String, Vec<RecordId>>;

/// Plans a filter.
///
/// # Errors
///
/// `invalidFilter` for what can be decided neither by the database nor on a row: computed values, and members by
/// anything but their id.
pub(super) fn plan<'f, 's>(
    filter: &'f Resolved<'s>,
    table: Table,
    groups_of: &GroupsOfMembers,
) -> Result<Plan<'f, 's>, Error> {
    let mut translator = Translator { table, groups_of, variables: Variables::new() };
    let mut plan = Plan { records: None, clause: String::new(), variables: Variables::new(), residual: Vec::new() };
    let conjuncts = match filter {
        Resolved::And(parts) => parts.iter().collect(),
        single => vec![single],
    };
    let mut clauses = Vec::new();
    for conjunct in conjuncts {
        if let (None, Some(records)) = (&plan.records, translator.records(conjunct)) {
            plan.records = Some(records);
            continue;
        }
        match translator.translate(conjunct) {
            Some(Clause { text, exact: true }) => clauses.push(text),
            narrowed => {
                check_evaluable(conjunct)?;
                clauses.extend(narrowed.map(|clause| clause.text));
                plan.residual.push(conjunct);
            }
        }
    }
    plan.clause = clauses.join(" AND ");
    plan.variables = translator.variables;
    Ok(plan)
}

/// What depends on the request or on other records is not on a row.
fn check_evaluable(filter: &Resolved<'_>) -> Result<(), Error> {
    match filter {
        Resolved::And(parts) | Resolved::Or(parts) => parts.iter().try_for_each(check_evaluable),
        Resolved::Not(inner) => check_evaluable(inner),
        Resolved::Constant(_) => Ok(()),
        // A plain value has no parts that could be computed: the list decides.
        Resolved::Element(target, inner)
            if target.attribute.name != "members" && target.attribute.kind == Kind::Complex =>
        {
            check_evaluable(inner)
        }
        Resolved::Test(Test { target, .. }) | Resolved::Element(target, _) => {
            let name = target.to_string();
            let computed = name.starts_with("members")
                || name.ends_with("$ref")
                || name.ends_with(":manager.displayName")
                || name.starts_with(scim::schema::ROLLCALL_USER)
                || matches!(name.as_str(), "meta.location" | "meta.version" | "meta");
            if computed {
                let detail = format!("{name} is computed and cannot be searched for in this way");
                return Err(scim::Error::new(ScimType::InvalidFilter, detail).into());
            }
            Ok(())
        }
    }
}

struct Clause {
    text: String,
    exact: bool,
}

impl Clause {
    #[expect(clippy::unnecessary_wraps, reason = "what translation answers; the other answer is none")]
    fn exact(text: impl Into<String>) -> Option<Self> {
        Some(Self { text: text.into(), exact: true })
    }
}

struct Translator<'g> {
    table: Table,
    groups_of: &'g GroupsOfMembers,
    variables: Variables,
}

impl Translator<'_> {
    fn bind(&mut self, value: impl SurrealValue) -> String {
        let name = format!("f{}", self.variables.len());
        self.variables.insert(name.clone(), value);
        format!("${name}")
    }

    /// The records a conjunct names: `id eq`, `members eq`.
    fn records(&self, filter: &Resolved<'_>) -> Option<Vec<RecordId>> {
        let Resolved::Test(test) = filter else { return None };
        let Check::Compare(Operator::Eq, Operand::Text(text)) = &test.check else { return None };
        match test.target.to_string().as_str() {
            "id" => Some(id::parse(text).map(|id| RecordId::new(self.table.name(), uuid(id))).into_iter().collect()),
            "members.value" => Some(self.groups_of.get(text).cloned().unwrap_or_default()),
            _ => None,
        }
    }

    fn translate(&mut self, filter: &Resolved<'_>) -> Option<Clause> {
        match filter {
            Resolved::Constant(value) => Clause::exact(value.to_string()),
            Resolved::Not(inner) => {
                let inner = self.translate(inner).filter(|clause| clause.exact)?;
                Clause::exact(format!("!({})", inner.text))
            }
            Resolved::And(parts) => {
                let clauses: Vec<Option<Clause>> = parts.iter().map(|part| self.translate(part)).collect();
                let exact = clauses.iter().all(|clause| clause.as_ref().is_some_and(|clause| clause.exact));
                let texts: Vec<String> = clauses.into_iter().flatten().map(|clause| clause.text).collect();
                (!texts.is_empty()).then(|| Clause { text: format!("({})", texts.join(" AND ")), exact })
            }
            Resolved::Or(parts) => {
                let clauses = parts.iter().map(|part| self.translate(part)).collect::<Option<Vec<Clause>>>()?;
                let exact = clauses.iter().all(|clause| clause.exact);
                let texts: Vec<String> = clauses.into_iter().map(|clause| clause.text).collect();
                Some(Clause { text: format!("({})", texts.join(" OR ")), exact })
            }
            Resolved::Element(target, inner) if target.attribute.name == "emails" && target.extension.is_none() => {
                self.narrow_by_address(inner)
            }
            Resolved::Element(target, inner) if target.attribute.name == "members" => {
                let Resolved::Test(test) = &**inner else { return None };
                (test.target.attribute.name == "value").then_some(())?;
                self.member(&test.check)
            }
            Resolved::Element(..) => None,
            Resolved::Test(test) => self.test(test),
        }
    }

    /// `emails[type eq "work" and value eq "x"]` needs the row, but only rows with that address.
    fn narrow_by_address(&mut self, inner: &Resolved<'_>) -> Option<Clause> {
        let parts = match inner {
            Resolved::And(parts) => parts.as_slice(),
            single => std::slice::from_ref(single),
        };
        let address = parts.iter().find_map(|part| match part {
            Resolved::Test(Test { target, check: Check::Compare(Operator::Eq, Operand::Text(address)) })
                if target.attribute.name == "value" =>
            {
                Some(address.clone())
            }
            _ => None,
        })?;
        let address = self.bind(address);
        Some(Clause { text: format!("email_keys CONTAINS {address}"), exact: false })
    }

    fn test(&mut self, test: &Test<'_>) -> Option<Clause> {
        let name = test.target.to_string();
        match (self.table, name.as_str(), &test.check) {
            (_, "id", check) => self.identity(check),
            (Table::User, "userName", check) => self.text("user_name_key", Presence::Always, check),
            (Table::Group, "displayName", check) => self.text("display_name_key", Presence::Always, check),
            (_, "externalId", check) => self.text("external_id", Presence::Sometimes, check),
            (Table::User, "active", Check::Present) => Clause::exact("active != NONE"),
            (Table::User, "active", Check::Compare(operator, Operand::Boolean(value))) => {
                Clause::exact(format!("active {} {value}", comparison(*operator)?))
            }
            (Table::User, "emails.value", Check::Compare(Operator::Eq, Operand::Text(address))) => {
                let address = self.bind(address.clone());
                Clause::exact(format!("email_keys CONTAINS {address}"))
            }
            (Table::User, manager, Check::Compare(Operator::Eq, Operand::Text(id)))
                if manager.strip_prefix(scim::schema::ENTERPRISE_USER) == Some(":manager.value") =>
            {
                let id = self.bind(id.clone());
                Clause::exact(format!("manager = {id}"))
            }
            (Table::Group, "members.value", check) => self.member(check),
            (_, "meta.created", Check::Compare(operator, Operand::Instant(at))) => {
                self.instant("created", *operator, *at)
            }
            (_, "meta.lastModified", Check::Compare(operator, Operand::Instant(at))) => {
                self.instant("last_modified", *operator, *at)
            }
            _ => None,
        }
    }

    fn identity(&mut self, check: &Check) -> Option<Clause> {
        match check {
            Check::Present => Clause::exact("true"),
            Check::Compare(operator @ (Operator::Eq | Operator::Ne), Operand::Text(text)) => match id::parse(text) {
                Some(id) => {
                    let record = self.bind(RecordId::new(self.table.name(), uuid(id)));
                    Clause::exact(format!("id {} {record}", comparison(*operator)?))
                }
                None => Clause::exact((*operator == Operator::Ne).to_string()),
            },
            Check::Compare(..) => None,
        }
    }

    fn member(&mut self, check: &Check) -> Option<Clause> {
        let Check::Compare(Operator::Eq, Operand::Text(member)) = check else { return None };
        let groups = self.groups_of.get(member).cloned().unwrap_or_default();
        let groups = self.bind(groups);
        Clause::exact(format!("id IN {groups}"))
    }

    fn text(&mut self, column: &'static str, presence: Presence, check: &Check) -> Option<Clause> {
        let (operator, wanted) = match check {
            Check::Present => return Clause::exact(presence.clause(column)),
            Check::Compare(operator, Operand::Text(wanted)) => (*operator, wanted.clone()),
            Check::Compare(..) => return None,
        };
        let wanted = self.bind(wanted);
        let function = match operator {
            Operator::Co => Some("contains"),
            Operator::Sw => Some("starts_with"),
            Operator::Ew => Some("ends_with"),
            _ => None,
        };
        let compared = match function {
            Some(function) => format!("string::{function}({column}, {wanted})"),
            None => format!("{column} {} {wanted}", comparison(operator)?),
        };
        // `eq` alone lets the index answer; and what is absent differs from everything.
        match (presence, operator) {
            (Presence::Always, _) | (_, Operator::Eq | Operator::Ne) => Clause::exact(compared),
            (Presence::Sometimes, _) => Clause::exact(format!("({column} != NONE AND {compared})")),
        }
    }

    /// Stored instants are whole milliseconds; a bound between two of them is brought to the one that decides.
    fn instant(&mut self, column: &'static str, operator: Operator, at: DateTime<Utc>) -> Option<Clause> {
        let is_whole = at.trunc_subsecs(3) == at;
        let floor = at.timestamp_millis();
        let (comparison, bound) = match operator {
            Operator::Eq | Operator::Ne if !is_whole => return Clause::exact((operator == Operator::Ne).to_string()),
            // After something between two milliseconds is after the first of them, and so on.
            Operator::Ge if !is_whole => (">", floor),
            Operator::Lt if !is_whole => ("<=", floor),
            _ => (comparison(operator)?, floor),
        };
        let bound = self.bind(bound);
        Clause::exact(format!("{column} {comparison} {bound}"))
    }
}

#[derive(Clone, Copy)]
enum Presence {
    Always,
    Sometimes,
}

impl Presence {
    fn clause(self, column: &str) -> String {
        match self {
            Self::Always => "true".to_owned(),
            Self::Sometimes => format!("({column} != NONE AND {column} != '')"),
        }
    }
}

fn comparison(operator: Operator) -> Option<&'static str> {
    match operator {
        Operator::Eq => Some("="),
        Operator::Ne => Some("!="),
        Operator::Gt => Some(">"),
        Operator::Ge => Some(">="),
        Operator::Lt => Some("<"),
        Operator::Le => Some("<="),
        Operator::Co | Operator::Sw | Operator::Ew => None,
    }
}
