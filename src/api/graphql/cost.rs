//! Static cost of an operation: the fields it can come to, each list at its full size (GQ-10).
//!
//! [`super::budget`] bounds the operation while it runs.

/// The most items of a page; more is clamped (C01).
pub(super) const PAGE: usize = 100;
/// The most items of a list without pages.
const LIST: usize = 100;
/// A cost that is above every limit. The sum of as many of them as a document has selections is still a number.
const MOST: usize = usize::MAX >> 16;

/// The cost of a list without pages.
pub(super) fn list_complexity(child_complexity: usize) -> usize {
    items_complexity(LIST, child_complexity)
}

/// The cost of a page: the size that is asked for times the cost of an item.
pub(super) fn page_complexity(first: Option<i32>, last: Option<i32>, child_complexity: usize) -> usize {
    let size = first.or(last).and_then(|size| usize::try_from(size).ok()).unwrap_or(PAGE).min(PAGE);
    items_complexity(size, child_complexity)
}

/// The cost of as many items as are named: each costs its fields, and 1 at least.
pub(super) fn items_complexity(count: usize, child_complexity: usize) -> usize {
    count.saturating_mul(child_complexity.max(1)).saturating_add(1).min(MOST)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, VecDeque};
    use std::sync::{Arc, Mutex};

    use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation};
    use async_graphql::parser::parse_schema;
    use async_graphql::parser::types::{BaseType, FieldDefinition, TypeKind, TypeSystemDefinition};
    use async_graphql::{Positioned, ServerError, ValidationResult};

    use super::*;
    use crate::api::graphql::schema;

    /// Notes the cost of a valid document, and runs nothing.
    #[derive(Clone, Default)]
    struct Counting(Arc<Mutex<Option<usize>>>);

    impl ExtensionFactory for Counting {
        fn create(&self) -> Arc<dyn Extension> {
            Arc::new(self.clone())
        }
    }

    #[async_graphql::async_trait::async_trait]
    impl Extension for Counting {
        async fn validation(
            &self,
            ctx: &ExtensionContext<'_>,
            next: NextValidation<'_>,
        ) -> Result<ValidationResult, Vec<ServerError>> {
            let valid = next.run(ctx).await?;
            *self.0.lock().expect("no test panicked") = Some(valid.complexity);
            Err(vec![ServerError::new("counted", None)])
        }
    }

    /// The fields of each object type, and the types that an interface or union can be.
    #[derive(Default)]
    struct Types {
        fields: BTreeMap<String, Vec<Positioned<FieldDefinition>>>,
        possible: BTreeMap<String, BTreeSet<String>>,
    }

    impl Types {
        fn read() -> Self {
            let mut types = Self::default();
            for definition in parse_schema(schema::sdl()).expect("the SDL").definitions {
                let TypeSystemDefinition::Type(definition) = definition else { continue };
                let name = definition.node.name.node.to_string();
                match definition.node.kind {
                    TypeKind::Object(object) => {
                        for interface in object.implements {
                            types.possible.entry(interface.node.to_string()).or_default().insert(name.clone());
                        }
                        types.fields.insert(name, object.fields);
                    }
                    TypeKind::Union(union) => {
                        let members = union.members.into_iter().map(|member| member.node.to_string());
                        types.possible.entry(name).or_default().extend(members);
                    }
                    _ => {}
                }
            }
            types
        }

        fn is_composite(&self, name: &str) -> bool {
            self.fields.contains_key(name) || self.possible.contains_key(name)
        }
    }

    /// The name of a type, and whether a list of it is meant.
    fn named(base: &BaseType) -> (String, usize) {
        match base {
            BaseType::Named(name) => (name.to_string(), 0),
            BaseType::List(inner) => {
                let (name, lists) = named(&inner.base);
                (name, lists + 1)
            }
        }
    }

    /// A field as a document asks for it, with what it cannot be asked without.
    fn asked(field: &FieldDefinition) -> String {
        let ids = format!("[{}]", vec!["\"x\""; 100].join(", "));
        let value = |name: &str| match name {
            "by" => "{id: \"x\"}".to_owned(),
            "ids" => ids.clone(),
            _ => "\"x\"".to_owned(),
        };
        let required = field.arguments.iter().filter(|argument| !argument.node.ty.node.nullable);
        let required = required.filter(|argument| argument.node.default_value.is_none());
        let given: Vec<String> = required
            .map(|argument| format!("{0}: {1}", argument.node.name.node, value(&argument.node.name.node)))
            .collect();
        let name = &field.name.node;
        if given.is_empty() { name.to_string() } else { format!("{name}({})", given.join(", ")) }
    }

    /// A way to a type: what is asked for on it, and how many lists it leads through.
    type Way = (Vec<String>, usize);

    /// Every list of objects that a query can ask for, by its shortest way.
    fn lists_of_objects(types: &Types) -> BTreeMap<String, Way> {
        let mut found = BTreeMap::new();
        let mut known = BTreeSet::from(["Query".to_owned()]);
        let mut next: VecDeque<(String, Way)> = VecDeque::from([("Query".to_owned(), (Vec::new(), 0))]);
        while let Some((name, (way, lists))) = next.pop_front() {
            let mut reach = |reached: String, segment: String, more: usize| {
                let mut way = way.clone();
                way.push(segment);
                if known.insert(reached.clone()) {
                    next.push_back((reached, (way.clone(), lists + more)));
                }
                way
            };
            for possible in types.possible.get(&name).into_iter().flatten() {
                reach(possible.clone(), format!("... on {possible}"), 0);
            }
            for field in types.fields.get(&name).into_iter().flatten() {
                let (kind, more) = named(&field.node.ty.node.base);
                if !types.is_composite(&kind) {
                    continue;
                }
                let way = reach(kind, asked(&field.node), more);
                if more > 0 {
                    found.insert(format!("{name}.{}", field.node.name.node), (way, lists + more));
                }
            }
        }
        found
    }

    /// S-2: a full page of each list, in full pages of the lists around it.
    #[tokio::test]
    async fn the_cost_of_every_list_is_at_least_what_it_can_deliver() {
        let counting = Counting::default();
        let schema = schema::builder().extension(counting.clone()).finish();
        let lists = lists_of_objects(&Types::read());
        assert!(lists.len() > 40, "{}", lists.len());
        for (list, (way, within)) in lists {
            let document = format!("{{ {} {{ __typename }} {}", way.join(" { "), "}".repeat(way.len()));
            let response = schema.execute(&document).await;
            let cost = counting.0.lock().expect("no test panicked").take();
            let cost = cost.unwrap_or_else(|| panic!("{document}: {:?}", response.errors));
            let delivered = 100_usize.pow(u32::try_from(within).expect("few"));
            assert!(cost >= delivered, "{list}: {cost} for {delivered} objects of {document}");
        }
    }

    #[test]
    fn costs_are_of_the_size_that_is_asked_for_and_never_overflow() {
        assert_eq!(page_complexity(Some(7), None, 3), 22);
        assert_eq!(page_complexity(None, Some(1_000), 3), 301);
        assert_eq!((page_complexity(None, None, 3), page_complexity(Some(-1), None, 3)), (301, 301));
        assert_eq!(items_complexity(0, 3), 1);
        assert_eq!((0..40).fold(1, |cost, _| list_complexity(cost)), MOST);
    }
}
