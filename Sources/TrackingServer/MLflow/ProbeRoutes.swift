import HTTP
import JSON

/// What clients ask to learn what a server can do.
func probeRoutes(_ context: Context) -> [MLflowRoute] {
  [
    MLflowRoute(.get, "mlflow/server-info", .read, versions: ["3.0"]) { _ in
      [
        "store_type": "SqlStore", "workspaces_enabled": false, "trace_archival_enabled": false,
        "multipart_uploads_enabled": true, "multipart_downloads_enabled": false,
        "presigned_upload_run_id_supported": false, "presigned_upload_model_id_supported": false,
        "features_enabled": ["gateway": false],
      ]
    }
  ]
}

/// MLflow's own health check, beside `/healthz`.
let mlflowHealth = HTTPRoute(.get, "/health", .read, bodyLimit: 0) { _ in .plain("OK") }
