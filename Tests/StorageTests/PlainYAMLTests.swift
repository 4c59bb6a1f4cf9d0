// The YAML of MLflow's file store, as PyYAML 6 writes it.

import Testing

@testable import Storage

@Suite struct PlainYAMLTests {
  @Test func scalarsOfEveryStyle() {
    let text = #"""
      artifact_location: file:///data/mlruns/7
      creation_time: 1795275152992
      experiment_id: '7'
      empty: ''
      missing: null
      gone: ~
      name: 'an experiment whose name is so long that the writer of YAML has to fold it
        over several lines, is it: yes # no'
      plain one: a text without quotes that is so long that it goes on in the line
        below and ends there
      quote: 'it''s: a # "run"

        line two'
      two: "two\nlines and an emoji \U0001F600, \"quotes\", a tab\t and \
        \ a fold"
      é: ü
      'odd: key': 1
      tags: []
      nothing: {}
      inner:
        mlflow.data.context: training
        'a: b': "x\ty"
      last: end
      """#
    #expect(
      PlainYAML.read(text) == [
        "artifact_location": .text("file:///data/mlruns/7"), "creation_time": .text("1795275152992"),
        "experiment_id": .text("7"), "empty": .text(""),
        "name": .text(
          "an experiment whose name is so long that the writer of YAML has to fold it over several lines, is it: yes # no"
        ),
        "plain one": .text(
          "a text without quotes that is so long that it goes on in the line below and ends there"),
        "quote": .text("it's: a # \"run\"\nline two"),
        "two": .text("two\nlines and an emoji 😀, \"quotes\", a tab\t and  a fold"), "é": .text("ü"),
        "odd: key": .text("1"), "inner": .mapping(["mlflow.data.context": "training", "a: b": "x\ty"]),
        "last": .text("end"),
      ])
  }

  @Test(arguments: [
    "", "\n\n", "no mapping", "a: 'open", "a: \"open \\", "a: \"\\U00", ": x", "- a\n- b", "a:",
  ])
  func strangeTextsEnd(text: String) {
    #expect(PlainYAML.read(text).count <= 1)
  }
}
