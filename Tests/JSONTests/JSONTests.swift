import Testing

@testable import JSON

@Suite struct JSONReading {
  @Test(arguments: [
    ("null", JSON.null), (" true ", .bool(true)), ("[]", .array([])), ("{}", .object([:])),
    ("0", .integer(0)), ("-12", .integer(-12)), ("9223372036854775807", .integer(.max)),
    ("1.5", .number(1.5)),
    ("1e3", .number(1000)), ("-0", .number(-0.0)), ("123456789012345683968", .number(123456789012345683968)),
    ("\"a\\n\\u00e9\\ud83d\\ude00\"", .string("a\né😀")), ("\"손실/검증\"", .string("손실/검증")),
    ("{\"b\":[1,{\"a\":null}],\"a\":\"x\"}", .object(["b": [1, ["a": nil]], "a": "x"])),
  ])
  func valuesAreRead(text: String, value: JSON) throws {
    #expect(try JSON.parse(text) == value)
  }

  @Test func minusZeroKeepsItsSign() throws {
    #expect(try JSON.parse("-0").doubleValue?.sign == .minus)
  }

  @Test(arguments: [
    "", " ", "nul", "tru", "[1,]", "[1 2]", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "{\"a\":1,\"a\":2}", "01",
    "-", "1.", ".5",
    "1e", "+1", "\"\\x\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\u12g4\"", "\"a\nb\"", "\"open", "[1", "{\"a\":",
    "1 2", "NaN",
    "1e999", "[,1]", "{,}", "\u{FEFF}1",
  ])
  func whatIsNotJSONIsRefused(text: String) {
    #expect(throws: JSONError.self) { try JSON.parse(text) }
  }

  @Test func invalidUTF8IsRefused() {
    for bytes: [UInt8] in [[0x22, 0xC0, 0xAE, 0x22], [0x22, 0xFF, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22]] {
      #expect(throws: JSONError.self) { try JSON.parse(bytes) }
    }
  }

  @Test func depthIsBounded() throws {
    _ = try JSON.parse(String(repeating: "[", count: 64) + String(repeating: "]", count: 64))
    #expect(throws: JSONError.self) {
      try JSON.parse(String(repeating: "[", count: 65) + String(repeating: "]", count: 65))
    }
    // Siblings do not add up.
    _ = try JSON.parse("[" + Array(repeating: "[[1]]", count: 100).joined(separator: ",") + "]")
  }

  @Test func theMessageNamesLineAndColumn() {
    do {
      _ = try JSON.parse("{\n  \"a\": 1,\n  \"é\": x\n}")
      Issue.record("accepted")
    } catch {
      #expect(error.message == "not valid JSON: a value was expected at line 3, column 8")
      #expect(error.offset == 20)
    }
  }

  @Test func everyPrefixOfATextIsRefused() throws {
    let text = Array(#"{"a":[1.5e-3,true,null,"\u00e9"],"b":{"c":-7}}"#.utf8)
    _ = try JSON.parse(text)
    for end in 0..<text.count { #expect(throws: JSONError.self) { try JSON.parse(Array(text[..<end])) } }
  }
}

@Suite struct JSONWriting {
  @Test func doublesReadBackAsThemselves() throws {
    var state: UInt64 = 1
    for _ in 0..<20_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let value = Double(bitPattern: state)
      guard value.isFinite else { continue }
      #expect(try JSON.parse(JSON(value).text).doubleValue?.bitPattern == value.bitPattern)
    }
  }

  @Test func decimalsAreReadCorrectlyRounded() throws {
    for text in [
      "0.1", "3.14159", "1e22", "1e23", "123456.789e-5", "9007199254740993", "2.2250738585072011e-308",
      "5e-324",
    ] {
      #expect(try JSON.parse("[\(text)]").arrayValue?.first?.doubleValue == Double(text))
    }
  }

  @Test func nonFiniteNumbersAreStrings() {
    #expect(
      JSON.array([JSON(.nan), JSON(.infinity), JSON(-.infinity)]).text == #"["NaN","Infinity","-Infinity"]"#)
    var writer = JSONWriter()
    writer.value(Double.nan)
    #expect(String(decoding: writer.bytes, as: UTF8.self) == "\"NaN\"")
    #expect(JSON.string("NaN").doubleValue?.isNaN == true)
  }

  @Test func markupAndSeparatorsAreEscaped() throws {
    let value = JSON.string("</script>&\u{2028}\u{1}\"\\\u{7F}é")
    #expect(value.text == #""\u003c/script\u003e\u0026\u2028\u0001\"\\\u007fé""#)
    #expect(try JSON.parse(value.text) == value)
  }

  @Test func membersKeepTheirOrder() throws {
    let text = #"{"z":1,"a":[{"y":2,"b":3}],"m":{}}"#
    #expect(try JSON.parse(text).text == text)
    #expect(try JSON.parse(try JSON.parse(text).pretty).text == text)
  }

  /// One character or two that Unicode takes for the same text.
  @Test func namesThatLookTheSameAreTwo() throws {
    let text = "{\"\u{e9}\":1,\"e\u{301}\":2}"
    var object = try #require(try JSON.parse(text).objectValue)
    #expect(object.keys.count == 2)
    #expect(object["\u{e9}"] == 1 && object["e\u{301}"] == 2)
    object["e\u{301}"] = 3
    #expect(JSON.object(object).text == "{\"\u{e9}\":1,\"e\u{301}\":3}")
    #expect(throws: JSONError.self) { try JSON.parse("{\"e\u{301}\":1,\"\u{e9}\":1,\"e\\u0301\":2}") }
  }

  @Test func equalityIgnoresTheOrderOfMembersAndNothingElse() {
    #expect(JSON.object(["a": 1, "b": 2]) == ["b": 2, "a": 1])
    #expect(JSON.object(["a": 1]) != ["a": 1, "b": 2])
    #expect(JSON.object(["a": 1]) != ["a": 2])
  }
}
