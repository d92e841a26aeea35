use super::*;

fn one_hdu(cards: &[Card]) -> Vec<u8> {
    write(&[NewHdu { cards: cards.to_vec(), table: None }])
}

/// A primary header out of literal card lines.
fn literal(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in
        [&["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0"], lines]
            .concat()
    {
        out.extend(format!("{line:<80}").bytes());
    }
    out.extend(format!("{:<80}", "END").bytes());
    out.resize(out.len().div_ceil(2880) * 2880, b' ');
    out
}

/// RD 1.1, each row: the card as written, and the text that the client makes of it.
#[test]
fn values_are_the_texts_that_the_client_sees() {
    let cases = [
        ("A       =                    T", "True"),
        ("A       =                    F / false", "False"),
        ("A       =                 0042", "42"),
        ("A       =                   -0", "0"),
        ("A       =                   -1", "-1"),
        ("A       =             1.5E+03", "1500.0"),
        ("A       =                  1.", "1.0"),
        ("A       =             1.0D+2", "100.0"),
        ("A       =             -1.0", "-1.0"),
        ("A       =             1E-5", "1e-05"),
        ("A       =             1E22", "1e+22"),
        ("A       = 'UVIS    '           / detector", "UVIS"),
        ("A       = '  UVIS  '", "  UVIS"),
        ("A       = 'it''s'", "it's"),
        ("A       = 'a / b'", "a / b"),
        ("A       = ''", ""),
    ];
    for (line, expected) in cases {
        let hdus = read(&literal(&[line])).unwrap();
        assert_eq!(Header::of(&hdus).get("A"), Some(expected), "{line}");
    }
}

#[test]
fn repeated_keywords_keep_the_first_value_and_history_is_joined() {
    let bytes = literal(&[
        "A       =                    1",
        "A       =                    2",
        "HISTORY one",
        "HISTORY two",
        "        = 'x'",
    ]);
    let header = Header::of(&read(&bytes).unwrap());
    assert_eq!(header.get("A"), Some("1"));
    assert_eq!(header.get("HISTORY"), Some(" one\n two".replace(' ', "").as_str()));
    assert_eq!(header.get("FILE_FORMAT"), Some("FITS"));
    assert_eq!(header.get(""), None);
}

#[test]
fn a_card_without_value_is_garbage() {
    let header = Header::of(&read(&literal(&["DETECTOR="])).unwrap());
    assert!(header.get("DETECTOR").unwrap().starts_with("<astropy.io.fits.card.Undefined object"));
}

#[test]
fn long_texts_go_over_continue_cards_and_back() {
    let long = "x'y ".repeat(60) + "end";
    let bytes = one_hdu(&[Card::text("DESCRIP", &long)]);
    assert_eq!(Header::of(&read(&bytes).unwrap()).get("DESCRIP"), Some(long.as_str()));
}

#[test]
fn tables_come_back_as_written() {
    let table = NewTable {
        columns: vec![
            ("DETCHIP".into(), ColumnData::I16(vec![1, -2])),
            ("NAME".into(), ColumnData::Text { width: 8, values: vec!["FORWARD".into(), "x".into()] }),
            ("SCALE".into(), ColumnData::F64(vec![0.5, 1e30])),
        ],
    };
    let bytes = write(&[NewHdu::default(), NewHdu { cards: vec![], table: Some(table) }]);
    let hdus = read(&bytes).unwrap();
    assert_eq!(hdus.len(), 2);
    let table = hdus[1].table().unwrap();
    assert_eq!(table.rows, 2);
    assert_eq!(table.columns[0].cells, [Cell::Int(1, "int16"), Cell::Int(-2, "int16")]);
    assert_eq!(table.columns[1].cells[0], Cell::Text("FORWARD".into()));
    assert_eq!(table.columns[2].cells[1], Cell::Float(1e30, "float64"));
}

#[test]
fn renaming_changes_the_names_and_leaves_the_data() {
    let bytes = one_hdu(&[Card::text("FILENAME", "old.fits"), Card::text("DETECTOR", "UVIS")]);
    let renamed = rename(&bytes, "old.fits", "y7b1516ii_npl.fits", jiff::civil::date(2014, 9, 16)).unwrap();
    let header = Header::of(&read(&renamed).unwrap());
    assert_eq!(header.get("FILENAME"), Some("y7b1516ii_npl.fits"));
    assert_eq!(header.get("ROOTNAME"), Some("Y7B1516II_NPL"));
    assert_eq!(header.get("HISTORY"), Some("old.fits renamed to y7b1516ii_npl.fits on Sep 16 2014"));
    assert_eq!(header.get("DETECTOR"), Some("UVIS"));
}

/// A header may promise any amount of data; only what is there is read.
#[test]
fn a_bomb_costs_nothing() {
    let mut bytes = one_hdu(&[]);
    for line in [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 1000000000",
        "NAXIS2  = 1000000000",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
        "TFIELDS = 1",
        "TFORM1  = '1000000000A'",
        "END",
    ] {
        bytes.extend(format!("{line:<80}").bytes());
    }
    bytes.resize(bytes.len().div_ceil(2880) * 2880, b' ');
    let hdus = read(&bytes).unwrap();
    assert!(hdus[1].table().is_none());
    assert!(matches!(hdus[1].complete(1), Err(FitsError::Truncated { hdu: 1, have: 0, .. })));
}

/// A header with very many different keywords takes no more than its share of time.
#[test]
fn very_many_keywords_are_read_at_once() {
    let mut bytes = Vec::new();
    for line in ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0"] {
        bytes.extend(format!("{line:<80}").bytes());
    }
    for n in 0..100_000 {
        bytes.extend(format!("{:<80}", format!("K{n:<7}= {n:>20}")).bytes());
    }
    bytes.extend(format!("{:<80}", "END").bytes());
    bytes.resize(bytes.len().div_ceil(2880) * 2880, b' ');
    let header = Header::of(&read(&bytes).unwrap());
    assert_eq!(header.get("K99999"), Some("99999"));
}

/// Columns without width make any number of cells out of nothing.
#[test]
fn a_table_of_very_many_cells_is_not_read_and_says_so() {
    let mut bytes = one_hdu(&[]);
    for line in [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 0",
        "NAXIS2  = 1000000000",
        "PCOUNT  = 0",
        "GCOUNT  = 1",
        "TFIELDS = 1",
        "TFORM1  = '0A'",
        "END",
    ] {
        bytes.extend(format!("{line:<80}").bytes());
    }
    bytes.resize(bytes.len().div_ceil(2880) * 2880, b' ');
    let hdus = read(&bytes).unwrap();
    assert!(hdus[1].table().is_none());
    assert!(hdus[1].complete(1).is_ok());
    assert!(matches!(hdus[1].readable(1), Err(FitsError::TablesTooLarge { hdu: 1, .. })));
    assert!(hdus[0].readable(0).is_ok());
}

#[test]
fn what_is_no_fits_file_is_told() {
    assert!(matches!(read(b""), Err(FitsError::Empty)));
    assert!(matches!(read(b"hello, this is a text and nothing else"), Err(FitsError::NoSimple)));
    assert!(matches!(read(&literal(&[])[..2000]), Err(FitsError::Ragged { size: 2000 })));
    let endless = [b"SIMPLE  =                    T".as_slice(), &vec![b' '; 9 << 20]].concat();
    assert!(matches!(read(&endless), Err(FitsError::HeaderTooLong { hdu: 0, .. })));
    assert!(matches!(read(&literal(&["A       = junk"])), Err(FitsError::Unparsable { .. })));
}

proptest::proptest! {
    /// No bytes make the reader panic, whatever their beginning.
    #[test]
    fn no_bytes_panic(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..9000), cut in 0usize..6000) {
        let _ = read(&tail);
        let mut bytes = literal(&["A       = 'x'"]);
        bytes.extend(format!("{:<80}", "XTENSION= 'BINTABLE'").bytes());
        bytes.extend(&tail);
        bytes.truncate(cut + 80);
        if let Ok(hdus) = read(&bytes) {
            for hdu in &hdus { let _ = hdu.table(); }
            let _ = Header::of(&hdus);
        }
    }

    /// Any text value survives writing and reading.
    #[test]
    fn texts_round_trip(text in "[ -~]{0,200}") {
        let bytes = one_hdu(&[Card::text("K", text.trim_end())]);
        let hdus = read(&bytes).unwrap();
        let header = Header::of(&hdus);
        proptest::prop_assert_eq!(header.get("K"), Some(text.trim_end()));
    }
}
