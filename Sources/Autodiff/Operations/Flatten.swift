extension Graph {
  /// All numbers of an example in one row: [batch, n]. Nothing moves.
  public mutating func flatten(_ x: Node) throws(GraphError) -> Node {
    try requireFloats(x, "flatten")
    return Node(value: x.value, shape: [x.shape[0], x.shape.dropFirst().reduce(1, *)])
  }
}
