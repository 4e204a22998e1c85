//! Referrers: by the API where there is one, else by the tag that stands in for it (distribution-spec, "Referrers Tag
//! Schema").
