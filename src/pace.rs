//! When each record is due. Arithmetic only: nothing here sleeps.
