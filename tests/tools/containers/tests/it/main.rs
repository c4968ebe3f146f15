//! Tests of the image and of the compose file, and of the program that starts SurrealDB for other tests. They are skipped where
//! no Docker engine answers. `.ci/containers images` and `.ci/containers program` make the images.

mod compose;
mod image;
mod support;
mod surreal;
