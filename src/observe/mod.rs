//! What a run tells of itself: counters that reconcile, progress, histograms.
