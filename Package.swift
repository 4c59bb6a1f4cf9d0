// swift-tools-version:6.0
// Cairn's rooms. A folder under Sources/ is a target; dependencies only point down one floor or more.
// No packages: the toolchain and Debian's libsqlite3-dev are all there is.
import PackageDescription

/// Kernels keep no bounds checks: their callers are checked, and their loops are the product's speed.
let kernelFlags = ["-Ounchecked", "-Xcc", "-fno-math-errno"]

#if arch(x86_64)
  let avx2Flags = ["-Xcc", "-march=x86-64-v3"]
  let avx512Flags = ["-Xcc", "-march=x86-64-v4", "-Xcc", "-mprefer-vector-width=512"]
#else
  let avx2Flags: [String] = []
  let avx512Flags: [String] = []
#endif

/// One source, three compilations: `KernelsAVX2` and `KernelsAVX512` are symbolic links to `Kernels`.
func kernels(_ name: String, _ flags: [String]) -> Target {
  .target(
    name: name, dependencies: ["CPrefetch"], path: "Sources/\(name)",
    swiftSettings: [.unsafeFlags(kernelFlags + flags, .when(configuration: .release))])
}

func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, path: "Sources/\(name)")
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", exclude: exclude)
}

let package = Package(
  name: "cairn",
  products: [.executable(name: "cairn", targets: ["cairn"])],
  targets: [
    // floor 4
    .executableTarget(
      name: "cairn", dependencies: ["TrackingServer", "Training", "Storage", "HTTP", "JSON", "CLinux"]),
    // floor 3
    room("TrackingServer", ["Training", "Tuning", "Autodiff", "Storage", "HTTP", "JSON", "CLinux"]),
    // floor 2
    room("Training", ["Autodiff", "Kernels", "JSON"]),
    room("Tuning", ["Autodiff", "JSON"]),
    // floor 1
    room("Autodiff", ["Kernels", "KernelsAVX2", "KernelsAVX512"]),
    // floor 0
    kernels("Kernels", []),
    kernels("KernelsAVX2", avx2Flags),
    kernels("KernelsAVX512", avx512Flags),
    room("Storage", ["CSQLite"]),
    room("HTTP", ["CLinux"]),
    room("JSON"),
    // ground
    .systemLibrary(name: "CSQLite", path: "Sources/CSQLite"),
    .target(name: "CLinux", path: "Sources/CLinux"),
    .target(name: "CPrefetch", path: "Sources/CPrefetch"),
    // tests
    tests("JSONTests", ["JSON"]),
    tests("HTTPTests", ["HTTP"]),
    tests("StorageTests", ["Storage"]),
    tests("KernelsTests", ["Kernels", "KernelsAVX2", "KernelsAVX512", "Autodiff"]),
    .target(name: "CAllocationCount", path: "Tests/CAllocationCount"),
    tests("AutodiffTests", ["Autodiff", "CAllocationCount"], exclude: ["Golden"]),
    tests(
      "TrainingTests", ["Training", "Autodiff", "JSON"],
      exclude: [
        "make_datasets.py", "make_golden.py", "make_golden_images.py", "make_golden_optimizers.py",
        "make_golden_schedules.py", "make_sequence_golden.py",
      ]),
    tests("TuningTests", ["Tuning", "JSON"]),
    tests("TrackingServerTests", ["TrackingServer", "Training", "Storage", "HTTP", "JSON"]),
  ],
  swiftLanguageModes: [.v6]
)
