"""What the screens show, as pure values: records, words, colours, figures. No wire, no widgets."""
