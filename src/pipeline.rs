//! Source, transforms, sink: the one copy loop, and its parallel form.
