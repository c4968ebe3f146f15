//! One integration binary, since linking the database once is enough. Behaviour is asked over a real socket.

mod support;

mod access;
mod audit;
mod catalogue;
mod cli;
mod conversations;
mod graphql_contract;
mod graphql_emails;
mod graphql_endpoint;
mod graphql_examples;
mod graphql_login;
mod graphql_mfa;
mod graphql_profile;
mod graphql_review;
mod graphql_security;
mod graphql_sessions;
mod hostile;
mod layers;
mod races;
mod schema_files;
mod scim_conditions;
mod scim_create;
mod scim_discovery;
mod scim_filters;
mod scim_groups;
mod scim_lifecycle;
mod scim_patch;
mod scim_put;
mod scim_read;
mod scim_transport;
mod tenancy;
mod tokens;
