//! G6.1: what runs is what was reviewed.
scenarios! { images: tag_refused, through_controllers }
