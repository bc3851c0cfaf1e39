//! FLOW: from readers to a sink, every event once.
